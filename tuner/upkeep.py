"""The checkpoint files of a sweep: a folder for them, and an end for those that no trial can go on from."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tuner.states import States
from tuner.trial import Checkpointed, Event


def last_folder(history: Sequence[Event]) -> Path | None:
    """Where the sweep's checkpoints are, if they still are there: it may be resumed from elsewhere."""
    last = next((event.path for event in reversed(history) if isinstance(event, Checkpointed)), None)
    folder = Path(last).parent if last else None
    return folder if folder and folder.is_dir() else None


def place_of(folder: Path) -> tuple[Path, str]:
    """The output folder and the key of a folder of checkpoints (see ``folder_of``)."""
    return folder.parents[1], folder.name.partition("-")[2]


class Upkeep:
    """A sink that follows recorded events and deletes files once newer ones are recorded, or their trials have ended.

    So a driver that dies at any moment leaves the files that its record speaks of.
    """

    def __init__(self, folder: Path, history: Iterable[Event]) -> None:
        self._folder = folder
        self._states = States()
        for event in history:
            self._states.take(event)
        with suppress(OSError):  # whoever writes the first checkpoint says what is wrong
            folder.mkdir(parents=True, exist_ok=True)
        self._files = {file.name for file in folder.iterdir()} if folder.is_dir() else set()

    def write(self, events: Sequence[Event]) -> None:
        """Take recorded events."""
        for event in events:
            self._states.take(event)
        if news := [Path(event.path).name for event in events if isinstance(event, Checkpointed)]:
            self._files.update(news)
            self._tidy()

    def end(self) -> None:
        """Nothing more is written: delete the folder if no trial can go on from it."""
        if not self._needed():
            shutil.rmtree(self._folder, ignore_errors=True)

    def clear(self) -> None:
        """Delete every file: no trial shall go on from one."""
        self._states.drop()
        self._tidy()

    def close(self) -> None:
        """Nothing is left to deliver."""

    def _needed(self) -> set[str]:
        return {Path(path).name for path in self._states.paths()}

    def _tidy(self) -> None:
        needed = self._needed()
        for name in self._files - needed:
            with suppress(OSError):
                (self._folder / name).unlink()
        self._files &= needed
