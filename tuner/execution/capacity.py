"""What every executor says to more trials than it has room for."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.errors import ExecutorError
from tuner.trial import TrialSpec


def must_fit(trials: Sequence[TrialSpec], free: int) -> None:
    """Raise ExecutorError where ``trials`` are more than the ``free`` slots."""
    if len(trials) > free:
        raise ExecutorError(f"submit: expected at most {free} trials, the free slots, got {len(trials)}")
