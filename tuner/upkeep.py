"""The checkpoint files of a sweep: a folder for them, and an end for those that no trial can go on from."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tuner.states import States
from tuner.training.checkpoint import folder_of
from tuner.trial import Checkpointed, Event, Sweep


def last_output(sweep: Sweep, history: Sequence[Event]) -> Path | None:
    """Below which folder the sweep's checkpoints are, if they still are there: it may be resumed from elsewhere."""
    last = next((event.path for event in reversed(history) if isinstance(event, Checkpointed)), None)
    output = Path(last).parents[2] if last else None
    return output if output and folder_of(output, sweep.id).is_dir() else None


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
        self._states = States()
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
