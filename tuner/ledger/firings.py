"""What became of a recurring sweep's due times: a row each, which can be inserted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, select, update

from tuner.ledger import jobs as queue
from tuner.ledger.jobs import JOBS, Job, JobState
from tuner.ledger.schema import firings, jobs, schedules, sweeps
from tuner.ledger.statements import insert_if_free

Decision = Literal["queued", "skipped", "missed", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What became of one due time. ``state`` is its job's; ``told`` None until its end was looked at and told."""

    schedule: str
    due_at: float
    decision: Decision
    decided_at: float
    sweep: str | None
    state: JobState | None
    note: str
    told: str | None


FIRINGS = select(
    schedules.c.name.label("schedule"),
    *(firings.c[name] for name in ("due_at", "decision", "decided_at", "note", "told")),
    sweeps.c.id.label("sweep"),
    jobs.c.state,
).select_from(
    firings.join(schedules, firings.c.schedule == schedules.c.key)
    .outerjoin(sweeps, firings.c.sweep == sweeps.c.key)
    .outerjoin(jobs, firings.c.sweep == jobs.c.sweep)
)


def read(connection: Connection, query: Select[Any]) -> list[Firing]:
    """The rows of a query made of ``FIRINGS``."""
    return [Firing(**row) for row in connection.execute(query).mappings()]


def place(schedule: int, due_at: float) -> ColumnElement[bool]:
    """The row of that due time."""
    return (firings.c.schedule == schedule) & (firings.c.due_at == due_at)


def claim(connection: Connection, schedule: int, due_at: float, decision: Decision, at: float) -> bool:
    """Insert the row of a due time; False where it is there already."""
    row = {"schedule": schedule, "due_at": due_at, "decision": decision, "decided_at": at, "note": ""}
    return connection.execute(insert_if_free(connection.dialect.name, firings), row).rowcount == 1


def close(connection: Connection, schedule: int, due_at: float) -> None:
    """Let no due time up to this one be looked at again."""
    open_till_now = (schedules.c.key == schedule) & (schedules.c.decided_until < due_at)
    connection.execute(update(schedules).where(open_till_now).values(decided_until=due_at))


def settle(connection: Connection, schedule: int, due_at: float, **values: object) -> Firing:
    """Complete the row of a due time."""
    connection.execute(update(firings).where(place(schedule, due_at)).values(**values))
    return read(connection, FIRINGS.where(place(schedule, due_at)))[0]


def unfinished(connection: Connection, schedule: int) -> list[Job]:
    """The jobs of a recurring sweep that wait or run."""
    query = JOBS.where(schedules.c.key == schedule, jobs.c.state.in_(("queued", "running")))
    return [queue.decode(row) for row in connection.execute(query).mappings()]
