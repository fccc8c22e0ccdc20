"""Bring a database to this program's schema."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, String, column, inspect, select, table

from tuner.errors import StoreError
from tuner.ledger import migrations
from tuner.ledger.database import Database
from tuner.ledger.schema import metadata

_VERSION = select(column("version_num", String)).select_from(table(migrations.VERSION_TABLE))


def migrate(database: Database) -> None:
    """Create the tables of a fresh database, upgrade those of an older program, leave current ones alone.

    Raises StoreError where a newer program wrote the database or another program's tables are in the way.
    """
    with database.reading() as connection:
        if _version(connection) == migrations.HEAD:
            return
    try:
        with database.writing() as connection:
            _upgrade(connection, database.place)
    except StoreError:
        with database.reading() as connection:
            if _version(connection) != migrations.HEAD:  # else another process was here first
                raise


def _version(connection: Connection) -> str | None:
    present = inspect(connection).has_table(migrations.VERSION_TABLE)
    return connection.scalar(_VERSION) if present else None


def _upgrade(connection: Connection, place: str) -> None:
    # Only here, since importing Alembic takes longer than opening a ledger.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    foreign = set(metadata.tables) & set(inspect(connection).get_table_names())
    if _version(connection) is None and foreign:
        raise StoreError(
            f"store {place}: another program keeps its table {min(foreign)!r} there; give the ledger its own database"
        )
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"store {place}: its schema is {_version(connection)}, this program knows up to {migrations.HEAD}; "
            "it was written by a newer tuner: upgrade this one, or give another store"
        ) from error
