"""Where a sweep stands after recorded events: what a driver that goes on with it has to know and to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tuner.states import States
from tuner.trial import (
    INTERRUPTED,
    STATE_GONE,
    Checkpointed,
    Event,
    Finished,
    Lost,
    Paused,
    Proposed,
    Reported,
    State,
    TrialSpec,
)


@dataclass(slots=True)
class Standing:
    """The books of a sweep.

    ``waiting`` and ``begun`` hold the latest attempts of trials that wait to start for the first time, and of those
    that have started; ``paused`` the attempts that paused, with their pauses. ``outcomes`` counts trials; ``losses``
    counts, by trial, the attempts that were lost for a reason that may lie in the trial, since it last got on: a trial
    with a new checkpoint can run, wherever its workers go. ``steps`` is how far each
    trial has come, ``states`` what each can go on from, ``proposed`` how many trials there are.
    """

    waiting: dict[int, TrialSpec] = field(default_factory=dict)
    begun: dict[int, TrialSpec] = field(default_factory=dict)
    paused: dict[int, tuple[TrialSpec, Paused]] = field(default_factory=dict)
    outcomes: Counter[State] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)
    steps: dict[int, int] = field(default_factory=dict)
    states: States = field(default_factory=States)
    proposed: int = 0

    @classmethod
    def after(cls, history: Iterable[Event]) -> Standing:
        """The books after these events."""
        books = cls()
        for event in history:
            books.take(event)
        return books

    def take(self, event: Event) -> None:
        """Enter what happened to a trial."""
        index = event.trial
        known = self.states.newest(event.trial)
        self.states.take(event)
        match event:
            case Proposed(spec=spec):
                self.begun.pop(index, None)
                self.paused.pop(index, None)
                self.waiting[index] = spec
                self.proposed = max(self.proposed, index + 1)
                return
            case Paused(step=step):
                self.paused[index] = self._open(index), event
                self.steps[index] = step
                return
            case Finished(step=step, outcome=outcome):
                for books in (self.waiting, self.begun, self.paused):
                    books.pop(index, None)
                self.outcomes[outcome] += 1
                self.steps[index] = step
                return
            case Lost():
                self.losses[index] = self.losses_with(event)
            case Checkpointed(step=step) if step > known:
                self.losses.pop(index, None)
            case Reported(step=step):
                self.steps[index] = step
        if index in self.waiting:
            self.begun[index] = self.waiting.pop(index)

    def losses_with(self, lost: Lost) -> int:
        """How many losses a trial has with this one, which counts unless the trial cannot be the cause."""
        return self.losses[lost.trial] + (lost.reason not in (INTERRUPTED, STATE_GONE))

    def _open(self, index: int) -> TrialSpec:
        return self.begun.pop(index, None) or self.waiting.pop(index)
