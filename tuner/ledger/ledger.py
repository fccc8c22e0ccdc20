"""``SqlLedger``: the sole record of what every sweep proposed and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from tuner.ledger import catalog, history, records, writing
from tuner.ledger.database import Database
from tuner.ledger.migrate import migrate
from tuner.ledger.summary import Status, SweepSummary
from tuner.trial import Event, Objective, Sweep, TrialRecord


def open_ledger(url: str) -> SqlLedger:
    """Open the ledger at ``url``, creating or upgrading its tables. Any SQLite or PostgreSQL URL of SQLAlchemy.

    ``sqlite:///tuner.db`` is a file (``?timeout=`` sets how many seconds to wait for another process, 30), ``sqlite://``
    lives in memory until it is closed. Raises StoreError where the URL cannot be used or the database not be opened.
    """
    database = Database(url)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return SqlLedger(database)


class SqlLedger:
    """One database of sweeps.

    Safe to share between threads, and the database between processes: writers of a sweep take turns. A method that
    takes ``sweep`` wants the whole id and raises UnknownNameError where there is none; ``load`` takes shorter forms.
    Every method raises StoreError where the database fails; it can be called again once the cause is gone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        *,
        name: str,
        spec: Mapping[str, object],
        spec_text: str,
        environment: Mapping[str, object],
        objectives: Sequence[Objective],
        seed: int,
        repeats: int,
        at: float,
    ) -> Sweep:
        """A new sweep with the id ``<name>-<n>``, n counting the sweeps of that name from 1. Its status is running.

        ``spec`` and ``environment`` are plain JSON data; ``seed`` and ``repeats`` fit into 63 and 31 bits.
        """
        facts = {
            "name": name,
            "spec": dict(spec),
            "spec_text": spec_text,
            "environment": dict(environment),
            "objectives": [asdict(objective) for objective in objectives],
            "seed": seed,
            "repeats": repeats,
            "status": "running",
            "recorded": 0,
            "created_at": at,
            "updated_at": at,
        }
        with self._database.writing() as connection:
            return catalog.create(connection, facts)

    def append(self, sweep: str, events: Sequence[Event]) -> None:
        """Record events in one transaction: all of them are on disk when this returns, or none is.

        A repeated event changes nothing, an event of an attempt that is lost or superseded is dropped. Raises
        ConflictError where an event contradicts the record, StoreError where its attempt was never proposed or a metric
        is not finite.
        """
        if not events:
            return
        with self._database.writing() as connection:
            key, first = catalog.claim(connection, sweep, len(events), events[-1].at)
            writing.append(connection, sweep, key, first, events)

    def set_status(self, sweep: str, status: Status, at: float) -> None:
        """Record where the sweep as a whole stands."""
        with self._database.writing() as connection:
            catalog.set_status(connection, sweep, status, at)

    def load(self, sweep: str) -> Sweep:
        """The sweep of that id; else the latest of that name, or of the one name that begins so."""
        with self._database.reading() as connection:
            return catalog.load(connection, sweep)

    def sweeps(self) -> list[SweepSummary]:
        """Every sweep, the oldest first."""
        with self._database.reading() as connection:
            return catalog.summaries(connection)

    def trials(self, sweep: str, *, curves: bool = True) -> list[TrialRecord]:
        """Every trial by index. Without ``curves`` each record's curve is empty and nothing is read for it."""
        with self._database.reading() as connection:
            return records.all_trials(connection, sweep, catalog.position(connection, sweep)[0], curves=curves)

    def trial(self, sweep: str, index: int) -> TrialRecord:
        """One trial, with its curve. Raises UnknownNameError where the sweep has no such trial."""
        with self._database.reading() as connection:
            return records.one_trial(connection, sweep, catalog.position(connection, sweep)[0], index)

    def events(self, sweep: str) -> Iterator[Event]:
        """Every recorded event in the order of recording, equal to what was appended: what a resume replays.

        Events appended while iterating may come or not; no transaction is held between two of them.
        """
        with self._database.reading() as connection:
            key, last = catalog.position(connection, sweep)
        for start in range(0, last, history.PAGE):
            with self._database.reading() as connection:
                page = history.page(connection, sweep, key, start)
            yield from page

    def close(self) -> None:
        """Close every connection; a closed ledger can still be used and opens new ones. May be called twice."""
        self._database.close()
