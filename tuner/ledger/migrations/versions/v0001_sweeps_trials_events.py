"""Sweeps, trials, and a table for each kind of event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "sweeps",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("objectives", sa.JSON, nullable=False),
        sa.Column("environment", sa.JSON, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("spec_text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sweeps"),
        sa.UniqueConstraint("id", name="uq_sweeps"),
        sa.UniqueConstraint("name", "number", name="uq_sweeps_number"),
        sa.CheckConstraint("status IN ('running', 'done', 'interrupted', 'failed')", name=op.f("ck_sweeps_status")),
    )
    op.create_table(
        "trials",
        sa.Column("sweep", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("trial", sa.Integer, nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("total_steps", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sweep", "trial", name="pk_trials"),
        sa.ForeignKeyConstraint(["sweep"], ["sweeps.key"], name="fk_trials"),
    )
    trial, attempt = ("sweep", "trial"), ("sweep", "trial", "attempt")
    event_table("attempts", sa.Column("resume_from", sa.Text), place=attempt, within=("trials", trial))
    within = ("attempts", attempt)
    event_table("starts", sa.Column("worker", sa.Text, nullable=False), place=attempt, within=within)
    event_table(
        "reports",
        step(),
        sa.Column("metrics", sa.JSON, nullable=False),
        place=(*attempt, "step"),
        within=within,
    )
    event_table(
        "checkpoints",
        step(),
        sa.Column("path", sa.Text, nullable=False),
        place=(*attempt, "step"),
        within=within,
    )
    event_table("losses", sa.Column("reason", sa.Text, nullable=False), place=attempt, within=within)
    event_table(
        "outcomes",
        step(),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("values", sa.JSON, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.CheckConstraint(
            "outcome IN ('completed', 'pruned', 'diverged', 'failed')", name=op.f("ck_outcomes_outcome")
        ),
        place=trial,
        within=within,
    )


def step() -> sa.Column[int]:
    """How many steps of the attempt were done."""
    return sa.Column("step", sa.BigInteger, nullable=False)


def event_table(
    name: str, *items: sa.schema.SchemaItem, place: tuple[str, ...], within: tuple[str, tuple[str, ...]]
) -> None:
    """Create a table of events; ``place`` holds one of them at most, ``within`` names the row it belongs to."""
    owner, columns = within
    op.create_table(
        name,
        sa.Column("sweep", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("trial", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        *items,
        sa.PrimaryKeyConstraint("sweep", "seq", name=f"pk_{name}"),
        sa.UniqueConstraint(*place, name=f"uq_{name}"),
        sa.ForeignKeyConstraint(columns, [f"{owner}.{column}" for column in columns], name=f"fk_{name}"),
    )
