"""A sweep's row in the queue, and how a person may move it from one state to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, or_, select, tuple_, update

from tuner.errors import UsageError
from tuner.ledger import catalog, leases
from tuner.ledger.catalog import NewSweep
from tuner.ledger.holder import Holder
from tuner.ledger.schema import firings, jobs, schedules, sweeps
from tuner.ledger.statements import Now
from tuner.trial import Sweep

LOCAL = "local"
REST = 15.0  # seconds
JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Asked = Literal["cancel", "pause"]
Values = Mapping[str, Any]
ENDS: Mapping[Asked, JobState] = {"cancel": "cancelled", "pause": "paused"}  # of what was asked to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A sweep in the queue. Times are UTC seconds.

    ``target`` is ``local`` (a process beside the runner) or the address of a Ray cluster. While it runs, ``runner``
    says what runs it and ``asked`` what that was asked to do; ``runs`` is how often it was taken, ``losses`` how many
    runs in a row ended without a word. ``schedule`` and ``due_at`` are of the recurring sweep that it belongs to.
    ``status`` is what the sweep's last driver recorded, ``updated_at`` when it last recorded anything; ``is_driven``
    whether a driver has the sweep now and may live.
    """

    sweep: str
    owner: str
    priority: int
    state: JobState
    target: str
    runner: Mapping[str, Any] | None
    asked: Asked | None
    runs: int
    losses: int
    created_at: float
    started_at: float | None
    ended_at: float | None
    note: str
    schedule: str | None
    due_at: float | None
    status: str
    updated_at: float
    is_driven: bool

    def place_for(self, taker: Holder) -> str:
        """Where it would run, were it that runner's."""
        return taker.place if self.target == LOCAL else self.target

    def is_rested(self, at: float) -> bool:
        """Whether it may be run now: one whose driver ended without a word waits first, each time longer."""
        return not self.losses or at - (self.started_at or 0.0) >= REST * 4 ** (self.losses - 1)


ORDER = (jobs.c.priority.desc(), jobs.c.created_at, jobs.c.sweep)
JOBS = (
    select(
        *(column for column in jobs.c if column.name not in ("sweep", "place")),
        sweeps.c.id.label("sweep"),
        sweeps.c.status,
        sweeps.c.updated_at,
        sweeps.c.holder,
        sweeps.c.held_until,
        Now().label("now"),
        schedules.c.name.label("schedule"),
        firings.c.due_at,
    )
    .select_from(
        jobs.join(sweeps, jobs.c.sweep == sweeps.c.key)
        .outerjoin(firings, firings.c.sweep == jobs.c.sweep)
        .outerjoin(schedules, schedules.c.key == firings.c.schedule)
    )
    .order_by(*ORDER)
)


def enqueue(connection: Connection, new: NewSweep, *, owner: str, priority: int, target: str, at: float) -> Sweep:
    """A new sweep with its job."""
    sweep = catalog.create(connection, new, at)
    add(connection, catalog.key(connection, sweep.id), owner=owner, priority=priority, target=target, at=at)
    return sweep


def add(connection: Connection, key: int, *, owner: str, priority: int, target: str, at: float) -> None:
    """A job for the sweep of that key, which has none."""
    facts = {"sweep": key, "owner": owner, "priority": priority, "target": target, "created_at": at}
    counts = {"state": "queued", "runs": 0, "losses": 0, "note": ""}
    connection.execute(insert(jobs), {**facts, **counts})


def find(connection: Connection, sweep: str) -> Job | None:
    """The job of a sweep, None where it never was in the queue."""
    row = connection.execute(JOBS.where(sweeps.c.id == sweep)).mappings().first()
    return None if row is None else decode(row)


def job(connection: Connection, sweep: str) -> Job:
    """The job of a sweep."""
    found = find(connection, sweep)
    if found is None:
        catalog.key(connection, sweep)
        raise UsageError(
            f"{sweep} was not given to the queue: who runs it stops it (Ctrl-C, or SIGTERM to its process); "
            f"`tuner queue resume {sweep}` puts it into the queue"
        )
    return found


def next_job(connection: Connection, taker: Holder, limit: int, per_owner: int, at: float) -> Job | None:
    """The first job of the queue that the taker may run now, with so many running in one place and of one owner."""
    running = connection.execute(select(jobs.c.place, jobs.c.owner).where(jobs.c.state == "running")).all()
    places, owners = Counter(place for place, _ in running), Counter(owner for _, owner in running)
    for row in connection.execute(JOBS.where(jobs.c.state == "queued")).mappings():
        found = decode(row)
        has_room = places[found.place_for(taker)] < limit and owners[found.owner] < per_owner
        if has_room and found.is_rested(at) and not found.is_driven:
            return found
    return None


def decode(row: RowMapping) -> Job:
    """The job of a row of ``JOBS``."""
    facts = dict(row)
    lease = {name: facts.pop(name) for name in ("held_until", "now", "holder")}
    return Job(**facts, is_driven=leases.is_driven(**lease))


def behind(connection: Connection, sweep: str) -> ColumnElement[bool]:
    """Whether a row of ``JOBS`` comes after the job of that sweep."""
    last = job(connection, sweep)
    place = tuple_(jobs.c.created_at, jobs.c.sweep) > tuple_(last.created_at, catalog.key(connection, sweep))
    return or_(jobs.c.priority < last.priority, (jobs.c.priority == last.priority) & place)


def write(connection: Connection, of: Job, values: Values) -> bool:
    """Change a job's row, if it still is in the run that ``of`` tells of; whether it was."""
    key = select(sweeps.c.key).where(sweeps.c.id == of.sweep).scalar_subquery()
    same = (jobs.c.sweep == key) & (jobs.c.runs == of.runs) & (jobs.c.state == of.state)
    return connection.execute(update(jobs).where(same).values(**values)).rowcount == 1


# ---------------------------------------------------------------- what people ask for


def cancelled(of: Job, at: float) -> Values:
    """A job that is not to run, or not any longer."""
    if of.state == "running":
        return {"asked": "cancel"}
    if of.state in ("queued", "paused"):
        return {"state": "cancelled", "ended_at": at}
    raise _refusal(of, "cancelled", "nothing of it runs or waits")


def paused(of: Job, _at: float) -> Values:
    """A job that is to wait until it is queued again."""
    if of.state == "running" and of.asked != "cancel":
        return {"asked": "pause"}
    if of.state == "queued":
        return {"state": "paused"}
    raise _refusal(of, "paused", "only what runs or waits in the queue can be")


def requeued(of: Job, at: float) -> Values:
    """A job that is to run again."""
    if of.state in ("paused", "cancelled", "failed"):
        return {"state": "queued", "created_at": at, "ended_at": None, "losses": 0, "note": ""}
    raise _refusal(of, "queued again", "only what was paused, cancelled or failed can be")


def prioritised(of: Job, priority: int) -> Values:
    """A job with another place in the queue."""
    if of.state in ("queued", "paused"):
        return {"priority": priority}
    raise _refusal(of, "given another priority", "it does not wait in the queue")


def _refusal(of: Job, done: str, why: str) -> UsageError:
    doing = {None: "", "cancel": " and is being cancelled", "pause": " and is being paused"}[of.asked]
    return UsageError(f"{of.sweep} cannot be {done}: it is {of.state}{doing}; {why}")
