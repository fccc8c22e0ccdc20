"""Views that another process can make: it imports this file, which imports next to nothing."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tuner.errors import UsageError
from tuner.tracking.ending import SweepEnd
from tuner.trial import Event


class Page:
    """Writes the numbers of trials on a page; ``errors`` says at which trials what is raised."""

    def __init__(self, path: Path, errors: dict[int, Exception] | None = None) -> None:
        self._path, self._errors = path, errors or {}
        self.is_new = not path.exists()

    def write(self, events: Sequence[Event]) -> Counter[str]:
        print("a library says something")
        for event in events:
            if event.trial in self._errors:
                raise self._errors[event.trial]
            with self._path.open("a") as page:
                page.write(f"{event.trial} ")
        return Counter({"odd": sum(event.trial % 2 for event in events)})

    def finish(self, end: SweepEnd) -> Counter[str]:
        with self._path.open("a") as page:
            page.write(f"nice {os.nice(0)} ")
        return Counter()

    def close(self) -> None: ...


class _OwnError(Exception):
    def __reduce__(self) -> str:
        raise TypeError("cannot be pickled")


class Foreign(Page):
    """Raises what only its own process knows."""

    def write(self, events: Sequence[Event]) -> Counter[str]:
        raise _OwnError("known there\nonly")


class Silent(Page):
    """Never answers."""

    def write(self, events: Sequence[Event]) -> Counter[str]:
        self._path.write_text(str(os.getpid()))
        while True:
            time.sleep(60)


def refused(path: Path) -> Page:
    raise UsageError("no such place")
