"""A place outside the ledger that shows sweeps, and the way of a sweep's events there.

The outbox is the ledger: events are read from it in pages, after the last one that is known to have arrived, so they
survive any end of this process and take no memory however long the place is away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tuner.errors import TunerError
from tuner.tracking.ending import SweepEnd
from tuner.tracking.wording import in_short
from tuner.trial import Event

BATCH = 2_000  # events a delivery


class Outgoing(Protocol):
    """The events of a sweep on their way to one place. Raises StoreError, and LeaseError once another driver has it."""

    def read(self, limit: int) -> Sequence[Event]:
        """The oldest events that have not arrived, at most ``limit``; none where all have."""

    def arrived(self) -> None:
        """What was read last has arrived."""

    def rewind(self) -> None:
        """Nothing has arrived: read everything again."""

    def left(self) -> int:
        """About how many events have not arrived."""


class View(Protocol):
    """A sweep at a place. Every write may be repeated; what is refused for good is counted, by reason, and not raised.

    Whatever else it raises may pass: the view is then closed, and another one of the place writes the same again.
    """

    @property
    def is_new(self) -> bool:
        """Whether the place had no trial of the sweep when this view of it was made."""

    def write(self, events: Sequence[Event]) -> Counter[str]:
        """Show recorded events."""

    def finish(self, end: SweepEnd) -> Counter[str]:
        """Show how the sweep ended."""

    def close(self) -> None:
        """Give back connections."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sweep is to be shown: ``kind`` (mlflow, optuna) and ``address``, which has no password.

    ``connect`` gives the view of the sweep there. ``check``, which comes before it, costs next to nothing and raises
    where there is no use in that: UsageError where the address itself is wrong.
    """

    kind: str
    address: str
    connect: Callable[[], View]
    check: Callable[[], None] = lambda: None

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"


class Carrier:
    """Takes one batch after the other to a place, and the sweep's end after them. ``refused`` counts by reason."""

    def __init__(self, place: Place, outgoing: Outgoing) -> None:
        self._place, self._outgoing = place, outgoing
        self._view: View | None = None
        self.refused: Counter[str] = Counter()

    def carry(self) -> bool:
        """Deliver the oldest events that have not arrived; whether there were any. Raises what the place raises."""
        view = self._connected()
        events = self._outgoing.read(BATCH)
        if events:
            self._deliver(lambda: view.write(events))
            self._outgoing.arrived()
        return bool(events)

    def finish(self, end: SweepEnd) -> None:
        """Deliver the sweep's end."""
        view = self._connected()
        self._deliver(lambda: view.finish(end))

    def close(self) -> None:
        """Give back connections; the next delivery opens new ones."""
        view, self._view = self._view, None  # first, as another thread may do the same
        if view:
            view.close()

    def _connected(self) -> View:
        if self._view is None:
            self._place.check()
            view = self._place.connect()
            if view.is_new:  # whatever has arrived there once is there no more
                self._outgoing.rewind()
            self._view = view
        return self._view

    def _deliver(self, work: Callable[[], Counter[str]]) -> None:
        try:
            self.refused += work()
        except Exception:
            self.close()  # what the place kept of it is unknown: look it up again
            raise


def deliver(place: Place, outgoing: Outgoing, end: SweepEnd) -> Counter[str]:
    """Deliver what has not arrived and the sweep's end, in the foreground; how many updates were refused, by reason.

    Raises UsageError for a wrong address, TunerError where the place cannot be reached.
    """
    carrier = Carrier(place, outgoing)
    try:
        while carrier.carry():
            pass
        carrier.finish(end)
    except TunerError:
        raise
    except Exception as error:
        raise TunerError(
            f"{place.kind}: {place.address}: {in_short(error)}; start or correct it, then sync again"
        ) from error
    finally:
        carrier.close()
    return carrier.refused
