"""What runs the driver of a sweep, seen from the runner, and what all of it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from tuner.ledger import Job
from tuner.ledger.holder import Holder

# "refused": it has ended and would end so again; "unseen": it cannot be asked from here.
Condition = Literal["alive", "gone", "refused", "unseen"]
REFUSED = 2  # the exit code of a driver that cannot run this sweep, now or later: bad usage
LINES, CHARACTERS = 8, 1_000  # of a log that a note quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a runner gives to the sweeps it runs, and how many it runs.

    ``mlflow`` None leaves it to each sweep's surroundings. ``concurrency`` jobs run in one place at a time,
    ``per_owner`` of one owner in all. One that was asked to stop has ``grace`` seconds.
    """

    store: str
    output: Path
    mlflow: str | None = None
    concurrency: int = 1
    per_owner: int = 1_000
    grace: float = 60.0

    def environment(self) -> dict[str, str]:
        """Variables for a driver. The store's URL may hold a password: it is no one's business on a command line."""
        own = {"TUNER_STORE": self.store, "TUNER_SERVER": "", "TUNER_TOKEN": ""}  # it drives, and asks no service
        return own | ({"MLFLOW_TRACKING_URI": self.mlflow} if self.mlflow else {})


class Backend(Protocol):
    """One kind of place that drivers run in. ``runner`` is what ``begin`` put on record."""

    def begin(self, job: Job, record: Callable[[Mapping[str, Any]], None]) -> None:
        """Start a job, but not before ``record`` has put on record how to find it; not at all where that raises.

        Raises OSError or TunerError where it cannot be started.
        """

    def condition(self, runner: Mapping[str, Any]) -> Condition:
        """Whether it still runs."""

    def stop(self, runner: Mapping[str, Any], *, hard: bool) -> None:
        """Ask it to end, or make it."""

    def words(self, job: Job) -> str:
        """The last that it wrote."""


def holder_of(runner: Mapping[str, Any]) -> Holder:
    """The process that a runner's record names."""
    return Holder(**{name: value for name, value in runner.items() if name != "kind"})


def last_words(text: str) -> str:
    """The end of a log, short enough for a note."""
    return "\n".join(text.strip().splitlines()[-LINES:])[-CHARACTERS:]
