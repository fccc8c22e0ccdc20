"""The tables of the ledger: a sweep, its trials, and one append-only table for each kind of event.

Of a sweep, nothing but its own row and how far its deliveries are is ever updated. An event's row carries ``seq``, its
position in the sweep's history, and sits at a *place* (its UNIQUE constraint) where the database itself allows one row
only: a trial has one outcome and an attempt one start because a second one cannot be inserted, whatever the program
does. A trial's state is not stored; it follows from its rows. Times are UTC seconds. The migrations build this same
schema; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem

from tuner.trial import State

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s",
        "uq": "uq_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("recorded", BigInteger, nullable=False),  # the last seq given out
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("id", Text, nullable=False, unique=True),
    Column("seed", BigInteger, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("objectives", JSON, nullable=False),
    Column("environment", JSON, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("spec_text", Text, nullable=False),
    Column("epoch", Integer, nullable=False, server_default="0"),  # how often the sweep's lease was given
    Column("holder", JSON(none_as_null=True)),  # the driver that has it; all three are null where nobody does
    Column("held_since", Double),
    Column("held_until", Double),
    UniqueConstraint("name", "number", name="uq_sweeps_number"),
    CheckConstraint("status IN ('running', 'done', 'interrupted', 'failed')", name="status"),
)

trials = Table(
    "trials",
    metadata,
    Column("sweep", Integer, ForeignKey("sweeps.key"), nullable=False),
    Column("seq", BigInteger, nullable=False),  # of its first proposal
    Column("trial", Integer, nullable=False),
    Column("params", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("total_steps", BigInteger, nullable=False),
    PrimaryKeyConstraint("sweep", "trial"),
    info={"place": ("sweep", "trial")},
)


def _event_table(name: str, *items: SchemaItem, place: tuple[str, ...], within: Table) -> Table:
    """A table of events: where each stands in the sweep's history, which attempt it is of, and the event's own fields.

    ``place`` is what one event only may claim; ``within`` is the table that must hold the attempt (or the trial).
    """
    owner = ("sweep", "trial") if within is trials else ("sweep", "trial", "attempt")
    return Table(
        name,
        metadata,
        Column("sweep", Integer, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("trial", Integer, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("at", Double, nullable=False),
        *items,
        PrimaryKeyConstraint("sweep", "seq"),
        UniqueConstraint("sweep", "trial", *place),
        ForeignKeyConstraint(owner, [f"{within.name}.{column}" for column in owner]),
        info={"place": ("sweep", "trial", *place)},
    )


attempts = _event_table(
    "attempts",
    Column("resume_step", BigInteger, nullable=False, server_default="0"),
    Column("pause_step", BigInteger),
    place=("attempt",),
    within=trials,
)

starts = _event_table("starts", Column("worker", Text, nullable=False), place=("attempt",), within=attempts)

reports = _event_table(
    "reports",
    Column("step", BigInteger, nullable=False),
    Column("metrics", JSON, nullable=False),
    place=("attempt", "step"),
    within=attempts,
)

checkpoints = _event_table(
    "checkpoints",
    Column("step", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    place=("attempt", "step"),
    within=attempts,
)

pauses = _event_table(
    "pauses",
    Column("step", BigInteger, nullable=False),
    Column("values", JSON, nullable=False),
    place=("attempt",),
    within=attempts,
)

losses = _event_table("losses", Column("reason", Text, nullable=False), place=("attempt",), within=attempts)

outcomes = _event_table(
    "outcomes",
    Column("step", BigInteger, nullable=False),
    Column(
        "outcome",
        Enum(State, native_enum=False, length=16, values_callable=lambda states: [state.value for state in states]),
        nullable=False,
    ),
    Column("values", JSON, nullable=False),
    Column("note", Text, nullable=False),
    CheckConstraint("outcome IN ('completed', 'pruned', 'diverged', 'failed')", name="outcome"),
    place=(),
    within=attempts,
)

deliveries = Table(  # how far a place outside the ledger (an MLflow server, say) was told of a sweep
    "deliveries",
    metadata,
    Column("sweep", Integer, ForeignKey("sweeps.key"), nullable=False),
    Column("place", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),  # the last position whose event has arrived there
    PrimaryKeyConstraint("sweep", "place"),
    info={"place": ("sweep", "place")},
)

acceptances = Table(  # a person let a sweep go on although its code, libraries or spec had changed
    "acceptances",
    metadata,
    Column("sweep", Integer, ForeignKey("sweeps.key"), nullable=False),
    Column("seq", BigInteger, nullable=False),  # the last position before that
    Column("at", Double, nullable=False),
    Column("changes", JSON, nullable=False),
    PrimaryKeyConstraint("sweep", "at"),
    info={"place": ("sweep", "at")},
)

jobs = Table(  # sweeps that were handed to the queue, to be run by a runner
    "jobs",
    metadata,
    Column("sweep", Integer, ForeignKey("sweeps.key"), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("target", Text, nullable=False),  # "local", or the address of a Ray cluster
    Column("place", Text),  # while it runs: the machine that it runs on, or the target
    Column("runner", JSON(none_as_null=True)),  # while it runs: what runs it
    Column("asked", String(16)),  # of what runs it, by a person
    Column("runs", Integer, nullable=False),  # how often it was taken; names the run that a write is about
    Column("losses", Integer, nullable=False),  # how many runs in a row ended without a word
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("note", Text, nullable=False),
    CheckConstraint("state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')", name="state"),
    CheckConstraint("asked IN ('cancel', 'pause')", name="asked"),
    Index("ix_jobs_state", "state"),
)

schedules = Table(  # sweeps that are to run again and again
    "schedules",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("cron", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("spec_text", Text, nullable=False),
    Column("source", Text, nullable=False),  # what messages call the spec
    Column("folder", Text),  # where the files of its user are looked for; null where it may name none
    Column("owner", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("target", Text, nullable=False),
    Column("overlap", String(16), nullable=False),
    Column("catch_up", Double, nullable=False),
    Column("webhook", Text),
    Column("is_paused", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("decided_until", Double, nullable=False),  # no due time up to this one is looked at again
    CheckConstraint("overlap IN ('skip', 'queue', 'replace')", name="overlap"),
)

firings = Table(  # what became of a schedule's due times: one row each, whoever came first
    "firings",
    metadata,
    Column("schedule", Integer, ForeignKey("schedules.key"), nullable=False),
    Column("due_at", Double, nullable=False),
    Column("decision", String(16), nullable=False),
    Column("decided_at", Double, nullable=False),
    Column("sweep", Integer, ForeignKey("sweeps.key", name="fk_firings_sweep"), unique=True),
    Column("note", Text, nullable=False),
    Column("told_at", Double),  # when somebody began to tell what came of it
    Column("told", Text),  # to whom that was told, and how that went
    PrimaryKeyConstraint("schedule", "due_at"),
    CheckConstraint("decision IN ('queued', 'skipped', 'missed', 'refused')", name="decision"),
    info={"place": ("schedule", "due_at")},
)

tokens = Table(  # who may use the service; a row is never deleted, so a name means the same person for ever
    "tokens",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("digest", String(64), nullable=False),  # SHA-256 of the secret, which nobody keeps
    Column("role", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    CheckConstraint("role IN ('read', 'submit', 'admin')", name="role"),
)

audit = Table(  # who did what with the service, in the order in which it was done
    "audit",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("result", Text, nullable=False),
)
