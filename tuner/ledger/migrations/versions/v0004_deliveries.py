"""How far each place outside the ledger was told of a sweep; changes that a person accepted when it went on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Nobody was told anything as far as is known: every place hears of every sweep from its beginning, once more."""
    op.create_table(
        "deliveries",
        sa.Column("sweep", sa.Integer, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sweep", "place", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["sweep"], ["sweeps.key"], name="fk_deliveries"),
    )
    op.create_table(
        "acceptances",
        sa.Column("sweep", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("changes", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("sweep", "at", name="pk_acceptances"),
        sa.ForeignKeyConstraint(["sweep"], ["sweeps.key"], name="fk_acceptances"),
    )
