"""Events on their way to a place, without a ledger; and the sweep of the story on its way to MLflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlflow_reading import Reading, read
from tracking_story import SWEEP

from tuner.tracking import Courier, SweepEnd, deliver, mlflow_place
from tuner.trial import Event, Sweep, TrialRecord

Warn = Callable[[str], None]


class Listed:
    """Recorded events as a list (``record``), and how many of them have arrived: the outbox without a database."""

    def __init__(self, events: Sequence[Event] = (), arrived: int = 0) -> None:
        self.events = list(events)
        self.position, self._read_to = arrived, 0

    def read(self, limit: int) -> Sequence[Event]:
        self._read_to = min(self.position + limit, len(self.events))
        return self.events[self.position : self._read_to]

    def arrived(self) -> None:
        self.position = self._read_to

    def rewind(self) -> None:
        self.position = 0

    def left(self) -> int:
        return len(self.events) - self.position


class Recorded(Courier):
    """A courier to MLflow whose events are recorded where they are written."""

    def __init__(self, uri: str, warn: Warn, sweep: Sweep = SWEEP, arrived: int = 0, **options: float) -> None:
        self.outgoing = Listed(arrived=arrived)
        super().__init__(mlflow_place(uri, sweep), self.outgoing, warn=warn, remedy="tuner sync digits-1", **options)

    def write(self, events: Sequence[Event]) -> None:
        self.outgoing.events += events
        super().write(events)


def shown(uri: str, events: Sequence[Event], told: list[str]) -> Reading:
    """What stands in MLflow after one courier took the events and was closed."""
    courier = Recorded(uri, told.append, linger_s=0.01)
    courier.write(events)
    courier.close()
    return read(uri)


def ended(best: TrialRecord | None = None, at: float = 1_760_000_500.0, **facts: object) -> SweepEnd:
    return SweepEnd(at=at, complete=True, best=best, **facts)


def synced(uri: str, events: Sequence[Event], end: SweepEnd | None = None) -> dict[str, int]:
    """Deliver everything in the foreground; what was refused."""
    return deliver(mlflow_place(uri, SWEEP), Listed(events), end or SweepEnd(at=1.0, complete=False))
