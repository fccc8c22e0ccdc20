"""What Alembic runs to migrate: the caller's own connection and transaction, nothing of a configuration file."""

from __future__ import annotations

from alembic import context

from tuner.ledger.migrations import VERSION_TABLE
from tuner.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
