"""The outbox is the ledger itself: how far each place outside was told of a sweep's events, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection, select

from tuner.ledger import catalog, history
from tuner.ledger.schema import deliveries
from tuner.ledger.statements import DIALECTS
from tuner.trial import Event

T = TypeVar("T")


class Transact(Protocol):
    """Does some work in a transaction."""

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """What the work returns."""


class Delivery:
    """The events of a sweep on their way to one place, each at least once and in order.

    It belongs to the driver whose lease on the sweep was held when it was made: ``read`` raises LeaseError once that is
    over, so that two drivers do not tell one place of one sweep. One thread uses it; any may ask what is ``left``.
    """

    def __init__(self, reading: Transact, writing: Transact, sweep: str, epoch: int, place: str) -> None:
        self._reading, self._writing = reading, writing
        self._sweep, self._epoch, self._place = sweep, epoch, place
        self._arrived: int | None = None  # up to which position all has; None while that was not looked up
        self._read_to = 0

    def read(self, limit: int) -> Sequence[Event]:
        """The oldest events that have not arrived, at most ``limit``; none where all have."""

        def work(connection: Connection) -> tuple[int, list[Event]]:
            key, last = catalog.position_of_holder(connection, self._sweep, self._epoch)
            end = self._position(connection, key)
            events: list[Event] = []
            while end < last and not events:  # a stretch of repeated events is empty
                events = history.page(connection, self._sweep, key, end, limit)
                end = min(end + limit, last)
            return end, events

        self._read_to, events = self._reading(work)
        if not events:
            self._arrived = self._read_to
        return events

    def arrived(self) -> None:
        """What was read last has arrived: it will not be read again, by a later driver either."""
        if self._read_to:
            self._move(self._read_to)

    def rewind(self) -> None:
        """Nothing has arrived: read everything again."""
        self._move(0)

    def left(self) -> int:
        """About how many events have not arrived."""

        def work(connection: Connection) -> int:
            key, last = catalog.position(connection, self._sweep)
            return last - self._position(connection, key)

        return self._reading(work)

    def _position(self, connection: Connection, key: int) -> int:
        if self._arrived is not None:
            return self._arrived
        where = (deliveries.c.sweep == key) & (deliveries.c.place == self._place)
        return connection.scalar(select(deliveries.c.seq).where(where)) or 0

    def _move(self, position: int) -> None:
        def work(connection: Connection) -> None:
            key, _ = catalog.position(connection, self._sweep)
            insert = DIALECTS[connection.dialect.name](deliveries)
            move = insert.on_conflict_do_update(
                index_elements=deliveries.info["place"], set_={"seq": insert.excluded.seq}
            )
            connection.execute(move, {"sweep": key, "place": self._place, "seq": position})

        self._writing(work)
        self._arrived, self._read_to = position, 0
