"""Long lists by the page, and what a service looks at all day: a few rows at a time, whatever there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from tuner.ledger import catalog, history, records
from tuner.ledger.database import Reading
from tuner.ledger.holder import Holder
from tuner.ledger.schema import outcomes, sweeps
from tuner.ledger.statements import Now
from tuner.ledger.summary import Status, SweepState, SweepSummary, recorded_as
from tuner.ledger.tallies import Tallies
from tuner.trial import Event, State, TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What came into a sweep's history after a position.

    ``events`` have their positions; ``reached`` is the position up to which they are all, ``recorded`` the last that
    was given out: where they are equal, nothing more is there yet. ``word`` says where the sweep stands: the state of
    its job in the queue, or its own where it has none.
    """

    events: list[tuple[int, Event]]
    reached: int
    recorded: int
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease that holds now: which sweep, who has it, since when and until when, in UTC seconds."""

    sweep: str
    holder: Holder
    since: float
    until: float


class Pages:
    """The pages of one ledger, whose ``pages`` it is. Every method raises StoreError where the database fails.

    A method that takes ``sweep`` wants the whole id and raises UnknownNameError where there is none.
    """

    def __init__(self, read: Reading, tallies: Tallies) -> None:
        self._read, self._tallies = read, tallies

    def sweeps(
        self,
        *,
        name: str | None = None,
        status: SweepState | None = None,
        workload: str | None = None,
        after: str | None = None,
        limit: int,
    ) -> list[SweepSummary]:
        """The newest sweeps that are so, before the sweep ``after`` (the last one of the page before)."""
        query = select(sweeps.c.key).order_by(sweeps.c.key.desc()).limit(limit)
        if name is not None:
            query = query.where(sweeps.c.name == name)
        if workload is not None:
            query = query.where(sweeps.c.spec["workload"].as_string() == workload)
        if status is not None:  # one that is recorded as running may turn out to be interrupted
            query = query.where(sweeps.c.status.in_(recorded_as(status)))

        def work(connection: Connection) -> list[SweepSummary]:
            found: list[SweepSummary] = []
            before = None if after is None else catalog.key(connection, after)
            while len(found) < limit:
                keys = connection.scalars(query if before is None else query.where(sweeps.c.key < before)).all()
                rows = reversed(catalog.summaries(connection, self._tallies, keys))
                found += [row for row in rows if status is None or row.status == status]
                if len(keys) < limit:
                    break
                before = keys[-1]
            return found[:limit]

        return self._read(work)

    def trials(
        self, sweep: str, *, state: State | None = None, after: int = -1, limit: int, curves: bool = False
    ) -> list[TrialRecord]:
        """The trials of a sweep by index, from the one that follows ``after``; with their curves, or without."""

        def work(connection: Connection) -> list[TrialRecord]:
            key = catalog.key(connection, sweep)
            return records.page(connection, sweep, key, state=state, after=after, limit=limit, curves=curves)

        return self._read(work)

    def news(self, sweep: str, after: int, size: int) -> News:
        """The events at the ``size`` positions after ``after``."""

        def work(connection: Connection) -> News:
            key, recorded = catalog.position(connection, sweep)
            events = history.numbered(connection, sweep, key, after, size) if recorded > after else []
            reached, word = max(after, min(after + size, recorded)), catalog.word(connection, key)
            return News(events=events, reached=reached, recorded=recorded, word=word)

        return self._read(work)

    def position(self, sweep: str) -> int:
        """The last position that was given out in a sweep's history, 0 where it has none."""
        return self._read(lambda connection: catalog.position(connection, sweep)[1])

    def held(self) -> list[Held]:
        """The leases that hold now, the oldest sweep first."""
        columns = (sweeps.c.id, sweeps.c.holder, sweeps.c.held_since, sweeps.c.held_until)
        query = select(*columns).where(sweeps.c.held_until > Now()).order_by(sweeps.c.key)
        rows = self._read(lambda connection: connection.execute(query).all())
        return [
            Held(sweep=row.id, holder=Holder(**row.holder), since=row.held_since, until=row.held_until) for row in rows
        ]

    def statuses(self) -> Mapping[Status, int]:
        """How many sweeps there are of each recorded status."""
        query = select(sweeps.c.status, func.count()).group_by(sweeps.c.status)
        return self._read(lambda connection: dict(connection.execute(query).all()))

    def outcomes(self) -> Mapping[State, int]:
        """How many trials have come to each outcome, in all sweeps."""
        query = select(outcomes.c.outcome, func.count()).group_by(outcomes.c.outcome)
        return self._read(lambda connection: dict(connection.execute(query).all()))
