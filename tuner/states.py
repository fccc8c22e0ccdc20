"""From which steps trials can go on: their newest checkpoints and their last pauses, as recorded events tell."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuner.trial import STATE_GONE, Checkpointed, Event, Finished, Lost, Paused, Proposed

KEPT = 2  # checkpoints of a trial: should the newest be damaged, the one before is there


@dataclass(slots=True)
class States:
    """The states of all trials without an outcome. A repeated event changes nothing."""

    _checkpoints: dict[int, dict[int, str]] = field(default_factory=dict)  # trial -> step -> path, oldest first
    _pauses: dict[int, int] = field(default_factory=dict)  # trial -> step
    _tried: dict[int, tuple[int, int]] = field(default_factory=dict)  # trial -> attempt, where it goes on from

    def take(self, event: Event) -> None:
        """Follow what happened to a trial."""
        trial = event.trial
        match event:
            case Proposed(spec=spec):
                self._tried[trial] = spec.attempt, spec.resume_step
            case Checkpointed(step=step, path=path):
                known = {**self._checkpoints.get(trial, {}), step: path}
                self._checkpoints[trial] = dict(sorted(known.items())[-KEPT:])
            case Paused(step=step):
                self._pauses[trial] = step
            case Lost(attempt=attempt, reason=reason) if reason == STATE_GONE:
                latest, step = self._tried[trial]
                if attempt == latest:
                    self._forget_from(trial, step)
            case Finished():
                for books in (self._checkpoints, self._pauses, self._tried):
                    books.pop(trial, None)

    def drop(self) -> None:
        """No trial shall go on from a state that was kept so far."""
        self._checkpoints.clear()
        self._pauses.clear()

    def newest(self, trial: int) -> int:
        """After how many steps the newest state was kept that nobody has found gone; 0 where there is none."""
        return max([0, self._pauses.get(trial, 0), *self._checkpoints.get(trial, {})])

    def paths(self) -> set[str]:
        """The files that a trial may go on from."""
        return {path for steps in self._checkpoints.values() for path in steps.values()}

    def _forget_from(self, trial: int, first: int) -> None:
        if self._pauses.get(trial, 0) >= first:
            self._pauses.pop(trial, None)
        kept = self._checkpoints.pop(trial, {})
        self._checkpoints[trial] = {step: path for step, path in kept.items() if step < first}
