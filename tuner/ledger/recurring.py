"""Recurring sweeps: what is to run again and again, and what became of each time that it was due.

A due time is decided once. Its row can be inserted once, whoever comes first, in the transaction that also queues its
sweep; and ``decided_until`` only grows, so a clock that is set back makes nothing due a second time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal

from sqlalchemy import Connection, RowMapping, case, delete, func, select, update

from tuner.errors import UnknownNameError, UsageError
from tuner.ledger import catalog
from tuner.ledger import firings as rows
from tuner.ledger import jobs as queue
from tuner.ledger.catalog import NewSweep
from tuner.ledger.database import Database, Reading
from tuner.ledger.firings import FIRINGS, Decision, Firing
from tuner.ledger.rows import storable
from tuner.ledger.schema import firings, jobs, schedules
from tuner.ledger.statements import insert_if_free, take_turns

Overlap = Literal["skip", "queue", "replace"]
PATIENCE = 300.0  # seconds after which somebody else tells what came of a due time


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """A sweep that runs by the calendar: ``cron`` in the time zone ``zone``. Times are UTC seconds.

    ``spec_text`` is a template, which messages call ``source``; files of its user are looked for in ``folder``, and it
    may name none where that is None. ``overlap`` says what is done while the last one still waits or runs, ``catch_up``
    for how many seconds a due time can be made up for. ``webhook`` is told how each ended. Every due time up to
    ``decided_until`` was decided.
    """

    name: str
    cron: str
    zone: str
    spec_text: str
    source: str
    folder: str | None
    owner: str
    priority: int
    target: str
    overlap: Overlap
    catch_up: float
    webhook: str | None
    is_paused: bool
    created_at: float
    decided_until: float


_RECURRING = select(schedules.c.key, *(schedules.c[field.name] for field in fields(Recurring)))


class SqlRecurring:
    """The recurring sweeps of one ledger, whose ``recurring`` it is.

    A method that takes ``name`` raises UnknownNameError where there is no such one, all of them StoreError where the
    database fails: a read waits for a server that is away, a change does not.
    """

    def __init__(self, database: Database, read: Reading) -> None:
        self._database, self._read = database, read

    def add(self, new: Recurring) -> None:
        """Begin a recurring sweep. Raises UsageError where its name is taken."""
        with self._database.writing() as connection:
            if not connection.execute(insert_if_free(connection.dialect.name, schedules), asdict(new)).rowcount:
                raise UsageError(
                    f"there is a recurring sweep {new.name!r} already; give another name, or remove that one first "
                    f"(`tuner schedule remove {new.name}`)"
                )

    def all(self) -> list[Recurring]:
        """Every recurring sweep, by name."""
        query = _RECURRING.order_by(schedules.c.name)
        return self._read(lambda c: [_recurring(row) for row in c.execute(query).mappings()])

    def get(self, name: str) -> Recurring:
        """The recurring sweep of that name."""
        return self._read(lambda connection: _found(connection, name)[1])

    def pause(self, name: str) -> Recurring:
        """Let nothing be due until it is resumed."""
        return self._set(name, is_paused=True)

    def resume(self, name: str, at: float) -> Recurring:
        """Go on after a pause; what would have been due in it is not made up for."""
        later = case((schedules.c.decided_until < at, at), else_=schedules.c.decided_until)
        return self._set(name, is_paused=False, decided_until=later)

    def remove(self, name: str) -> None:
        """Forget a recurring sweep and its history; its sweeps stay, and those in the queue go on."""
        with self._database.writing() as connection:
            take_turns(connection, jobs)
            key = _key(connection, name)
            connection.execute(delete(firings).where(firings.c.schedule == key))
            connection.execute(delete(schedules).where(schedules.c.key == key))

    def history(self, name: str, *, limit: int) -> list[Firing]:
        """What became of its due times, the latest first."""

        def work(connection: Connection) -> list[Firing]:
            of = FIRINGS.where(firings.c.schedule == _key(connection, name))
            return rows.read(connection, of.order_by(firings.c.due_at.desc()).limit(limit))

        return self._read(work)

    def run(self, name: str, due_at: float) -> int | None:
        """Which of its due times that one would be, counted from 1. None where it was decided already."""
        same = func.coalesce(func.sum(case((firings.c.due_at == due_at, 1), else_=0)), 0)
        query = select(func.count(), same).select_from(firings)

        def work(connection: Connection) -> int | None:
            decided, itself = connection.execute(query.where(firings.c.schedule == _key(connection, name))).one()
            return None if itself else decided + 1

        return self._read(work)

    # ------------------------------------------------------------ for schedulers

    def fire(self, name: str, due_at: float, new: NewSweep, at: float, *, by_hand: bool = False) -> Firing | None:
        """Queue the sweep of a due time, as its overlap policy says. None where that time was decided already.

        ``by_hand``: beside the calendar, whatever the policy and even in a pause.
        """
        with self._database.writing() as connection:
            take_turns(connection, jobs)
            key, of = _found(connection, name)
            if (of.is_paused and not by_hand) or not rows.claim(connection, key, due_at, "queued", at):
                return None
            if not by_hand:
                rows.close(connection, key, due_at)
            before = [] if by_hand or of.overlap == "queue" else rows.unfinished(connection, key)
            if before and of.overlap == "skip":
                note = f"{before[0].sweep} was still {before[0].state}"
                return rows.settle(connection, key, due_at, decision="skipped", note=note, told="")
            for job in before:
                queue.write(connection, job, queue.cancelled(job, at))
            given = queue.enqueue(connection, new, owner=of.owner, priority=of.priority, target=of.target, at=at)
            return rows.settle(connection, key, due_at, sweep=catalog.key(connection, given.id))

    def pass_over(
        self, name: str, due_at: float, decision: Decision, note: str, at: float, *, until: float = 0.0
    ) -> Firing | None:
        """Record why nothing is run for a due time and those that follow it up to ``until``.

        None where that time was decided already.
        """
        with self._database.writing() as connection:
            take_turns(connection, jobs)
            key = _key(connection, name)
            if not rows.claim(connection, key, due_at, decision, at):
                return None
            rows.close(connection, key, max(due_at, until))
            told = None if decision == "refused" else ""  # nobody waits for the others
            return rows.settle(connection, key, due_at, note=storable(note), told=told)

    def untold(self) -> list[Firing]:
        """What has ended and was not told, the oldest first."""
        is_over = (firings.c.decision == "refused") | jobs.c.state.in_(("done", "failed", "cancelled"))
        query = FIRINGS.where(firings.c.told.is_(None), is_over).order_by(firings.c.due_at)
        return self._read(lambda connection: rows.read(connection, query))

    def claim(self, firing: Firing, at: float) -> bool:
        """Whether the caller is the one to tell what came of a due time, now."""
        is_free = firings.c.told.is_(None) & (firings.c.told_at.is_(None) | (firings.c.told_at < at - PATIENCE))
        with self._database.writing() as connection:
            place = rows.place(_key(connection, firing.schedule), firing.due_at)
            return connection.execute(update(firings).where(place, is_free).values(told_at=at)).rowcount == 1

    def tell(self, firing: Firing, note: str, told: str) -> None:
        """Record what came of a due time, and how telling it went."""
        with self._database.writing() as connection:
            key = _key(connection, firing.schedule)
            rows.settle(connection, key, firing.due_at, note=storable(note), told=storable(told))

    def _set(self, name: str, **values: object) -> Recurring:
        with self._database.writing() as connection:
            connection.execute(update(schedules).where(schedules.c.key == _key(connection, name)).values(**values))
            return _found(connection, name)[1]


def _key(connection: Connection, name: str) -> int:
    return _found(connection, name)[0]


def _found(connection: Connection, name: str) -> tuple[int, Recurring]:
    row = connection.execute(_RECURRING.where(schedules.c.name == name)).mappings().first()
    if row is None:
        raise UnknownNameError("recurring sweep", name, connection.scalars(select(schedules.c.name)))
    return row["key"], _recurring(row)


def _recurring(row: RowMapping) -> Recurring:
    return Recurring(**{name: value for name, value in row.items() if name != "key"})
