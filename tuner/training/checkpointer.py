"""When an engine's rows are written, and by whom: now and then, by a thread beside the training.

A step copies the rows and goes on; the disk is waited for by the thread alone. A training that is over before the first
interval writes nothing.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuner.training.checkpoint import Row, Shelf, folder_of, write
from tuner.training.slot import Saved
from tuner.trial import Checkpointed, TrialSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Every ``every`` seconds, rows go to ``<output>/<sweep>/checkpoints-<key>``, which all engines of a sweep share.

    The folder is not made here: where it is missing, others would not find what lies in it.
    """

    every: float = math.inf
    output: str = ""
    key: str = ""

    def folder(self, sweep: str) -> Path:
        """That of a sweep."""
        return folder_of(Path(self.output), sweep, self.key)


NEVER = Checkpoints()


@dataclass(slots=True)
class _Batch:
    """Rows of one file; ``path`` once it is on disk, else ``trouble``. They may ``rest``: their trials have paused."""

    rows: Sequence[Row]
    rests: bool
    at: float
    path: Path | None = None
    trouble: str = ""


class Checkpointer:
    """Has rows written, and finds them again. ``warnings`` are for the user; ``clock`` gives the times of events."""

    def __init__(self, plan: Checkpoints, clock: Callable[[], float]) -> None:
        self.warnings: deque[str] = deque()
        self._every, self._folder, self._clock = plan.every, plan.folder, clock
        self._shelf = Shelf(self.warnings.append)
        self._next = time.monotonic() + plan.every
        self._resting: dict[int, tuple[TrialSpec, Saved]] = {}  # those that paused since the last time
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._writing: Future[list[_Batch]] | None = None
        self._troubled = False

    def rest(self, trial: TrialSpec, saved: Saved) -> None:
        """Have the state of a trial that has paused written at the next time."""
        if self._every < math.inf:
            self._resting[trial.index] = trial, saved

    def leave(self, trial: int) -> None:
        """A trial goes on: where it paused matters no more."""
        self._resting.pop(trial, None)

    def recall(self, trial: TrialSpec) -> Saved | None:
        """The state that an attempt goes on from, if a sound file holds it."""
        return self._shelf.find(self._folder(trial.sweep), trial)

    def advance(self, rows: Callable[[], Sequence[Row]], is_here: Callable[[int], bool]) -> list[Checkpointed]:
        """Have ``rows()``, those in training, written if it is time; what has come to disk since the last call.

        Nothing is told of trials that are no longer here, unless they rest.
        """
        events = self._collect(is_here)
        if self._writing is None and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            at, resting = self._clock(), _rows(self._resting.values())
            batches = [_Batch(rows(), rests=False, at=at), _Batch(resting, rests=True, at=at)]
            if batches := [batch for batch in batches if batch.rows]:
                self._writing = self._thread.submit(self._write, batches)
        return events

    def close(self) -> None:
        """Wait until what is being written is on disk."""
        self._thread.shutdown()

    def _write(self, batches: list[_Batch]) -> list[_Batch]:
        for batch in batches:
            folder = self._folder(batch.rows[0].attempts[0].sweep)
            try:
                batch.path = write(folder, batch.rows)
            except Exception as error:  # noqa: BLE001 - whatever it is, training goes on and the next time may be better
                reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
                batch.trouble = f"no checkpoint could be written to {folder}: {reason}"
        return batches

    def _collect(self, is_here: Callable[[int], bool]) -> list[Checkpointed]:
        if self._writing is None or not self._writing.done():
            return []
        batches, self._writing = self._writing.result(), None
        events: list[Checkpointed] = []
        for batch in batches:
            if batch.path is not None:
                told = self._told(batch, str(batch.path), is_here)
                if not told:  # all its trials have ended or gone on meanwhile
                    with suppress(OSError):
                        batch.path.unlink()
                events += told
        troubles = [batch.trouble for batch in batches if batch.trouble]
        if troubles and not self._troubled:
            self.warnings.append(
                f"{troubles[0]}; training goes on, and it is tried again every {self._every:g} s: until then, what is "
                "lost with a worker or the driver begins again from an older state"
            )
        self._troubled = bool(troubles)
        return events

    def _told(self, batch: _Batch, path: str, is_here: Callable[[int], bool]) -> list[Checkpointed]:
        """What to say of the rows that matter still; those that rest are on disk from now on."""
        events: list[Checkpointed] = []
        for row in batch.rows:
            step = row.saved["step"]
            for trial in row.attempts:
                _, resting = self._resting.get(trial.index, (trial, None))
                if resting is row.saved:
                    del self._resting[trial.index]
                if resting or (is_here(trial.index) and not batch.rests):
                    events.append(
                        Checkpointed(trial=trial.index, attempt=trial.attempt, at=batch.at, step=step, path=path)
                    )
        return events


def _rows(states: Iterable[tuple[TrialSpec, Saved]]) -> list[Row]:
    """One row for each state, however many trials rest in it."""
    together: dict[int, tuple[Saved, list[TrialSpec]]] = {}
    for trial, saved in states:
        together.setdefault(id(saved), (saved, []))[1].append(trial)
    return [Row(attempts=tuple(trials), saved=saved) for saved, trials in together.values()]
