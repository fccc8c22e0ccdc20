"""The states that paused trials go on from, while their executor lives: the last one of each trial, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from tuner.trial import STATE_GONE, Event, Finished, Lost, Paused, TrialSpec

T = TypeVar("T")


class Kept(Generic[T]):
    """Follows the events of an executor: keeps a state at a pause, drops it when its trial has ended.

    A state outlives the attempt that goes on from it, so an attempt that is lost on its way can be made again.
    """

    def __init__(self) -> None:
        self._states: dict[int, tuple[int, T]] = {}

    def __len__(self) -> int:
        return len(self._states)

    def follow(self, events: Iterable[Event], take: Callable[[int], T]) -> None:
        """Keep what ``take(trial)`` hands over of a trial that paused; forget those that finished."""
        for event in events:
            match event:
                case Paused(trial=trial, step=step):
                    self._states[trial] = step, take(trial)
                case Finished(trial=trial):
                    self._states.pop(trial, None)

    def state(self, trial: TrialSpec) -> T | None:
        """The state that an attempt goes on from; None where it is not kept."""
        step, state = self._states.get(trial.index, (0, None))
        return state if step == trial.resume_step else None


def starts(
    trials: Iterable[TrialSpec], find: Callable[[TrialSpec], T | None], at: float
) -> tuple[list[tuple[TrialSpec, T | None]], list[Lost]]:
    """The trials that can start, each with the state it goes on from (None: from its beginning), and the others.

    An attempt whose state ``find`` does not know is lost at ``at``, before it started: it takes no slot.
    """
    found: list[tuple[TrialSpec, T | None]] = []
    lost: list[Lost] = []
    for trial in trials:
        state = find(trial) if trial.resume_step else None
        if trial.resume_step and state is None:
            lost.append(Lost(trial=trial.index, attempt=trial.attempt, at=at, reason=STATE_GONE))
        else:
            found.append((trial, state))
    return found, lost
