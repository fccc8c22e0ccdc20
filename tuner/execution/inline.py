"""Trials in this process: the engine itself behind the executor's interface."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from tuner.execution.capacity import must_fit
from tuner.execution.kept import Kept, starts
from tuner.training import Engine, Saved
from tuner.trial import Event, TrialSpec

_log = logging.getLogger(__name__)


class InlineExecutor:
    """Trains in the calling thread, while it polls. For small sweeps, debugging and tests.

    ``warn`` hears what the user should know.
    """

    def __init__(self, engine: Engine, warn: Callable[[str], None] = _log.warning) -> None:
        self._engine, self._warn = engine, warn
        self._kept = Kept[Saved]()
        self._lost: list[Event] = []

    def free(self) -> int:
        """How many more trials it would take now."""
        return self._engine.free()

    def submit(self, trials: Sequence[TrialSpec]) -> None:
        """Put trials into slots. Raises ExecutorError, and starts none, where they are more than ``free``."""
        must_fit(trials, self.free())
        starting, lost = starts(trials, self._state, time.time())
        for trial, saved in starting:
            self._engine.admit(trial, saved)
        self._lost += lost

    def poll(self, timeout: float) -> Sequence[Event]:
        """Train until something happened, but no longer than ``timeout`` seconds (one step at least)."""
        deadline = time.monotonic() + timeout
        events, self._lost = self._lost, []
        while not events and not self._engine.is_idle():
            events = self._engine.step()
            if time.monotonic() >= deadline:
                break
        self._kept.follow(events, self._engine.take)
        for warning in self._engine.warnings():
            self._warn(warning)
        return events

    def stop(self, trial: int) -> None:
        """Have a running trial pruned before its next step."""
        self._engine.stop(trial)

    def close(self) -> None:
        """End what the engine does beside training."""
        self._engine.close()

    def _state(self, trial: TrialSpec) -> Saved | None:
        """What an attempt goes on from: in memory, else in a checkpoint."""
        return self._kept.state(trial) or self._engine.recall(trial)
