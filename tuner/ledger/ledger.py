"""``SqlLedger``: the sole record of what every sweep proposed and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from sqlalchemy import Connection

from tuner.errors import LeaseError, StoreError
from tuner.ledger import acceptances, catalog, history, leases, records, writing
from tuner.ledger.acceptances import Acceptance
from tuner.ledger.database import Database
from tuner.ledger.deliveries import Delivery
from tuner.ledger.holder import Holder
from tuner.ledger.lease import Lease
from tuner.ledger.migrate import migrate
from tuner.ledger.outage import Outage
from tuner.ledger.pages import Pages
from tuner.ledger.queue import SqlQueue
from tuner.ledger.recurring import SqlRecurring
from tuner.ledger.summary import Status, SweepSummary
from tuner.ledger.tallies import Tallies
from tuner.ledger.tokens import SqlTokens
from tuner.trial import Event, Objective, Sweep, TrialRecord

T = TypeVar("T")


def open_ledger(url: str, *, patience: float | None = None) -> SqlLedger:
    """Open the ledger at ``url``, creating or upgrading its tables. Any SQLite or PostgreSQL URL of SQLAlchemy.

    ``sqlite:///tuner.db`` is a file (``?timeout=`` sets how many seconds to wait for another process, 30), ``sqlite://``
    lives in memory until it is closed. A server that goes away is waited for, ``patience`` seconds (a minute for None).
    Raises StoreError where the URL cannot be used or the database not be opened.
    """
    database = Database(url)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return SqlLedger(database, Outage(patience))


class SqlLedger:
    """One database of sweeps.

    Safe to share between threads, and the database between processes: writers of a sweep take turns. A method that
    takes ``sweep`` wants the whole id and raises UnknownNameError where there is none; ``load`` takes shorter forms.
    Every method raises StoreError where the database fails; it can be called again once the cause is gone. A server
    that goes away is waited for, a minute, by every method that may be done twice: all but ``create`` and ``lease``.
    """

    def __init__(self, database: Database, outage: Outage) -> None:
        self._database, self._outage = database, outage
        self.queue = SqlQueue(database, self._read)
        self.recurring = SqlRecurring(database, self._read)
        self.tokens = SqlTokens(self._read, self._write)
        self._tallies = Tallies()
        self.pages = Pages(self._read, self._tallies)
        self._epochs: dict[str, int] = {}  # of the leases that are held here

    @property
    def is_file(self) -> bool:
        """Whether it lives on this machine alone: a SQLite database."""
        return self._database.engine.dialect.name == "sqlite"

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
        new = catalog.NewSweep(
            name=name,
            spec=spec,
            spec_text=spec_text,
            environment=environment,
            objectives=objectives,
            seed=seed,
            repeats=repeats,
        )
        with self._database.writing() as connection:
            return catalog.create(connection, new, at)

    @contextmanager
    def lease(self, sweep: str) -> Iterator[Lease]:
        """Be the one driver of a sweep: from now on it is written here only, until the block ends.

        The lease lasts a minute by the database's clock and is renewed while the block runs. Raises LeaseError while
        another driver holds it, unless that one is known to be dead (it ran on this machine). Who falls silent for
        longer may be replaced: then ``is_lost`` of the lease is true, and every write raises LeaseError.
        """
        if sweep in self._epochs:
            raise LeaseError(f"{sweep} is run by this very program already")
        holder = Holder.here()
        with holder.at_work():
            with self._database.writing() as connection:
                catalog.key(connection, sweep)
                epoch = leases.take(connection, sweep, holder)
            self._epochs[sweep] = epoch
            try:
                with Lease(lambda: self._renew(sweep, epoch), leases.DURATION) as lease:
                    yield lease
            finally:
                del self._epochs[sweep]
                with suppress(StoreError), self._database.writing() as connection:  # it runs out by itself as well
                    leases.release(connection, sweep, epoch)

    def _renew(self, sweep: str, epoch: int) -> bool:
        with self._database.writing() as connection:
            return leases.renew(connection, sweep, epoch)

    def append(self, sweep: str, events: Sequence[Event]) -> None:
        """Record events in one transaction: all of them are on disk when this returns, or none is.

        A repeated event changes nothing, an event of an attempt that is lost or superseded is dropped. Raises
        ConflictError where an event contradicts the record, StoreError where its attempt was never proposed or a metric
        is not finite, LeaseError where another driver has the sweep.
        """
        if not events:
            return
        epoch = self._epochs.get(sweep, 0)

        def work(connection: Connection) -> None:
            key, first = catalog.claim(connection, sweep, epoch, len(events), events[-1].at)
            writing.append(connection, sweep, key, first, events)

        self._write(work)

    def set_status(self, sweep: str, status: Status, at: float) -> None:
        """Record where the sweep as a whole stands."""
        epoch = self._epochs.get(sweep, 0)
        self._write(lambda connection: catalog.set_status(connection, sweep, epoch, status, at))

    def begin(self, sweep: str, environment: Mapping[str, object], at: float) -> Sweep:
        """Record what a sweep runs on that was queued without saying so; the sweep as it is now on record."""
        epoch = self._epochs.get(sweep, 0)
        now = {"environment": dict(environment)}
        return self._write(lambda connection: catalog.change(connection, sweep, epoch, now, at))

    def load(self, sweep: str) -> Sweep:
        """The sweep of that id; else the latest of that name, or of the one name that begins so."""
        return self._read(lambda connection: catalog.load(connection, sweep))

    def sweeps(self) -> list[SweepSummary]:
        """Every sweep, the oldest first."""
        return self._read(lambda connection: catalog.summaries(connection, self._tallies))

    def summary(self, sweep: str) -> SweepSummary:
        """One sweep, as ``sweeps`` lists it."""
        (summary,) = self._read(lambda c: catalog.summaries(c, self._tallies, [catalog.key(c, sweep)]))
        return summary

    def trials(self, sweep: str, *, curves: bool = True) -> list[TrialRecord]:
        """Every trial by index. Without ``curves`` each record's curve is empty and nothing is read for it."""
        return self._read(lambda c: records.all_trials(c, sweep, catalog.key(c, sweep), curves=curves))

    def trial(self, sweep: str, index: int) -> TrialRecord:
        """One trial, with its curve. Raises UnknownNameError where the sweep has no such trial."""
        return self._read(lambda c: records.one_trial(c, sweep, catalog.key(c, sweep), index))

    def events(self, sweep: str) -> Iterator[Event]:
        """Every recorded event in the order of recording, equal to what was appended: what a resume replays.

        Events appended while iterating may come or not; no transaction is held between two of them.
        """
        key, last = self._read(lambda connection: catalog.position(connection, sweep))
        for start in range(0, last, history.PAGE):
            yield from self._page(sweep, key, start)

    def delivery(self, sweep: str, place: str) -> Delivery:
        """What ``place``, somewhere outside the ledger, has yet to be told of a sweep that is leased here."""
        return Delivery(self._read, self._write, sweep, self._epochs.get(sweep, 0), place)

    def accept_changes(
        self,
        sweep: str,
        changes: Sequence[str],
        *,
        environment: Mapping[str, object],
        spec: Mapping[str, object],
        at: float,
    ) -> Sweep:
        """Record that the sweep goes on although these ``changes`` were found, with what it goes on with instead."""
        epoch = self._epochs.get(sweep, 0)
        now = {"environment": dict(environment), "spec": dict(spec)}

        def work(connection: Connection) -> Sweep:
            acceptances.add(connection, sweep, epoch, changes, at)
            return catalog.change(connection, sweep, epoch, now, at)

        return self._write(work)

    def acceptances(self, sweep: str) -> list[Acceptance]:
        """The changes that were accepted when the sweep went on, the oldest first."""
        return self._read(lambda connection: acceptances.of(connection, sweep))

    def close(self) -> None:
        """Close every connection; a closed ledger can still be used and opens new ones. May be called twice."""
        self._database.close()

    def _page(self, sweep: str, key: int, start: int) -> list[Event]:
        return self._read(lambda connection: history.page(connection, sweep, key, start, history.PAGE))

    def _read(self, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with self._database.reading() as connection:
                return work(connection)

        return self._outage.outlast(once)

    def _write(self, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with self._database.writing() as connection:
                return work(connection)

        return self._outage.outlast(once)
