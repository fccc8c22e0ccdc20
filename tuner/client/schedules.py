"""Sweeps that run by the calendar, as a client sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from tuner.client.results import Scheduled
from tuner.ledger import Firing
from tuner.ledger.recurring import Overlap

SpecLike = str | Path | Mapping[str, object]  # a spec: YAML text, the path of a file with it, or plain data
PAGE = 100  # items of a list, unless more or fewer are asked for
CATCH_UP = 3600.0  # seconds


class Schedules(ABC):
    """The recurring sweeps of a client, whose ``schedules`` it is; errors are as the client's."""

    @abstractmethod
    def all(self) -> tuple[Scheduled, ...]:
        """Every one, by name."""

    @abstractmethod
    def get(self, name: str) -> Scheduled:
        """The one of that name."""

    @abstractmethod
    def add(
        self,
        name: str,
        spec: SpecLike,
        *,
        cron: str,
        zone: str = "UTC",
        priority: int = 0,
        target: str = "local",
        overlap: Overlap = "skip",
        catch_up: float = CATCH_UP,
        webhook: str | None = None,
    ) -> Scheduled:
        """Let a sweep run by the calendar: ``cron`` in the time zone ``zone``.

        ``{{ date }}``, ``{{ due }}`` and ``{{ run }}`` in the spec become the day, the moment and the number of a run.
        ``overlap`` says what is done while the last one still waits or runs; what was due while nobody ran is made up
        for within ``catch_up`` seconds.
        """

    @abstractmethod
    def pause(self, name: str) -> Scheduled:
        """Let nothing be due until it is resumed."""

    @abstractmethod
    def resume(self, name: str) -> Scheduled:
        """Go on after a pause."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Forget it and its history; its sweeps stay."""

    @abstractmethod
    def run_now(self, name: str) -> Firing:
        """Queue its sweep now, beside the calendar."""

    @abstractmethod
    def history(self, name: str, *, limit: int = PAGE) -> tuple[Firing, ...]:
        """What became of its due times, the latest first."""
