"""Trials in this process: the engine itself behind the executor's interface."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tuner.execution.capacity import must_fit
from tuner.training import Engine
from tuner.trial import Event, TrialSpec


class InlineExecutor:
    """Trains in the calling thread, while it polls. For small sweeps, debugging and tests."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def free(self) -> int:
        """How many more trials it would take now."""
        return self._engine.free()

    def submit(self, trials: Sequence[TrialSpec]) -> None:
        """Put trials into slots. Raises ExecutorError, and starts none, where they are more than ``free``."""
        must_fit(trials, self.free())
        for trial in trials:
            self._engine.admit(trial)

    def poll(self, timeout: float) -> Sequence[Event]:
        """Train until something happened, but no longer than ``timeout`` seconds (one step at least)."""
        deadline = time.monotonic() + timeout
        while not self._engine.is_idle():
            events = self._engine.step()
            if events or time.monotonic() >= deadline:
                return events
        return []

    def stop(self, trial: int) -> None:
        """Have a running trial pruned before its next step."""
        self._engine.stop(trial)

    def close(self) -> None:
        """Nothing to give back."""
