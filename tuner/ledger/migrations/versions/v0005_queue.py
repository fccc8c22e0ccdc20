"""The queue and recurring sweeps: jobs, schedules, and what became of each due time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Nothing is queued yet."""
    op.create_table(
        "jobs",
        sa.Column("sweep", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("place", sa.Text),
        sa.Column("runner", sa.JSON),
        sa.Column("asked", sa.String(16)),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sweep", name="pk_jobs"),
        sa.ForeignKeyConstraint(["sweep"], ["sweeps.key"], name="fk_jobs"),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')", name=op.f("ck_jobs_state")
        ),
        sa.CheckConstraint("asked IN ('cancel', 'pause')", name=op.f("ck_jobs_asked")),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "schedules",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("cron", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("spec_text", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("folder", sa.Text),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("overlap", sa.String(16), nullable=False),
        sa.Column("catch_up", sa.Double, nullable=False),
        sa.Column("webhook", sa.Text),
        sa.Column("is_paused", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("decided_until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_schedules"),
        sa.UniqueConstraint("name", name="uq_schedules"),
        sa.CheckConstraint("overlap IN ('skip', 'queue', 'replace')", name=op.f("ck_schedules_overlap")),
    )
    op.create_table(
        "firings",
        sa.Column("schedule", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("decided_at", sa.Double, nullable=False),
        sa.Column("sweep", sa.Integer),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("told_at", sa.Double),
        sa.Column("told", sa.Text),
        sa.PrimaryKeyConstraint("schedule", "due_at", name="pk_firings"),
        sa.ForeignKeyConstraint(["schedule"], ["schedules.key"], name="fk_firings"),
        sa.ForeignKeyConstraint(["sweep"], ["sweeps.key"], name="fk_firings_sweep"),
        sa.UniqueConstraint("sweep", name="uq_firings"),
        sa.CheckConstraint("decision IN ('queued', 'skipped', 'missed', 'refused')", name=op.f("ck_firings_decision")),
    )
