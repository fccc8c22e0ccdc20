"""The loop of a sweep: ask, submit, poll, record, observe. It knows protocols only, no concrete class."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tuner.errors import WorkloadError
from tuner.protocols import Executor, Recorder, Sampler, Sink
from tuner.trial import (
    Decision,
    Event,
    Finished,
    Lost,
    Proposed,
    Reported,
    State,
    Sweep,
    TrialSpec,
    derive_seed,
)

MAX_LOSSES = 3  # a trial that took this many workers down with it has failed
INTERRUPTED: Final = "interrupted"
HOPELESS = 5  # a sweep whose first trials all fail is wrong as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a sweep may use: ``trials`` training runs, ``steps`` a trial, ``wall_time`` seconds; None is no limit."""

    steps: int
    trials: int | None = None
    wall_time: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How this run of the loop ended. ``status``: done, or interrupted (resumable)."""

    status: Literal["done", "interrupted"]
    outcomes: Counter[State]
    steps: int
    seconds: float


class Study:
    """One driver's run of a sweep, fresh or resumed (``history`` is what the ledger has recorded so far)."""

    def __init__(
        self,
        sweep: Sweep,
        *,
        sampler: Sampler,
        executor: Executor,
        ledger: Recorder,
        sink: Sink,
        budget: Budget,
        history: Iterable[Event] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sweep, self._sampler, self._executor = sweep, sampler, executor
        self._ledger, self._sink, self._budget, self._clock = ledger, sink, budget, clock
        self._waiting: deque[TrialSpec] = deque()
        self._running: dict[int, TrialSpec] = {}
        self._outcomes: Counter[State] = Counter()
        self._losses: Counter[int] = Counter()
        self._steps: dict[int, int] = {}
        self._proposed = 0
        self._exhausted = False
        self._last_failure = ""
        self._restore(list(history))

    def run(self, interrupted: Callable[[], bool] = lambda: False, patience: float = 0.2) -> Summary:
        """Run until the budget is used, the sampler has nothing left, or ``interrupted()`` says so.

        ``patience`` is how many seconds one poll may wait. Raises StoreError where an event cannot be recorded
        (nothing recorded is lost; the sweep can be resumed) and WorkloadError where every trial so far has failed.
        """
        start = self._clock()
        out_of_time = False
        while not interrupted():
            spent = self._clock() - start
            if not out_of_time and self._budget.wall_time is not None and spent >= self._budget.wall_time:
                out_of_time = True
                for trial in self._running:
                    self._executor.stop(trial)
            if not out_of_time:
                self._refill()
            if not self._running and (out_of_time or self._exhausted):
                break
            self._take(self._executor.poll(patience), out_of_time)
        else:
            self._record([self._lost(trial, INTERRUPTED) for trial in self._running.values()])
            return self._summary(INTERRUPTED, start)
        return self._summary("done", start)

    # ------------------------------------------------------------ asking and submitting

    def _refill(self) -> None:
        room = self._executor.free()
        proposals: list[Event] = []
        while len(self._waiting) < room and (configuration := self._ask()):
            proposals += [Proposed(spec=trial, at=self._clock()) for trial in configuration]
            self._waiting.extend(configuration)
        self._record(proposals)
        batch = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        if batch:
            self._running.update((trial.index, trial) for trial in batch)
            self._executor.submit(batch)

    def _ask(self) -> list[TrialSpec]:
        """The trials of the next configuration, one for each repeat; none where the budget or the space is used up."""
        if self._exhausted or (self._budget.trials is not None and self._proposed >= self._budget.trials):
            self._exhausted = True
            return []
        params = self._sampler.ask()
        if params is None:
            self._exhausted = True
            return []
        first = self._proposed
        self._proposed += self._sweep.repeats
        return [
            TrialSpec(
                sweep=self._sweep.id,
                index=first + repeat,
                params=params,
                # The same for every configuration, so that configurations are compared from equal starts.
                seed=derive_seed(self._sweep.seed, "trial", repeat) % 2**31,
                total_steps=self._budget.steps,
            )
            for repeat in range(self._sweep.repeats)
        ]

    # ------------------------------------------------------------ recording and observing

    def _take(self, events: Sequence[Event], out_of_time: bool) -> None:
        """Record what happened, then learn from it."""
        true: list[Event] = []
        for event in events:
            trial = self._running.get(event.trial)
            if trial is None or trial.attempt != event.attempt:
                continue  # late words of an attempt that was given up
            true += self._follow(_at_the_bell(event) if out_of_time else event)
        self._record(true)
        if self._outcomes[State.FAILED] >= HOPELESS and len(self._outcomes) == 1:
            raise WorkloadError(f"the first {HOPELESS} trials all failed; the last one:\n{self._last_failure}")

    def _follow(self, event: Event) -> list[Event]:
        """Keep the books; what to record: a lost attempt is queued again, or is the end of its trial."""
        match event:
            case Finished(trial=index, step=step, outcome=outcome, note=note):
                del self._running[index]
                self._outcomes[outcome] += 1
                self._steps[index] = step
                self._last_failure = note if outcome is State.FAILED else self._last_failure
            case Reported(trial=index, step=step):
                self._steps[index] = step
            case Lost(trial=index):
                self._losses[index] += 1
                if self._losses[index] >= MAX_LOSSES:
                    return self._follow(self._given_up(event))
                return [event, self._again(self._running.pop(index))]
        return [event]

    def _given_up(self, lost: Lost) -> Finished:
        return Finished(
            trial=lost.trial,
            attempt=lost.attempt,
            at=lost.at,
            step=self._steps.get(lost.trial, 0),
            outcome=State.FAILED,
            note=f"lost {MAX_LOSSES} times, last: {lost.reason}",
        )

    def _record(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self._ledger.append(self._sweep.id, events)
        for event in events:
            if self._sampler.observe(event) is Decision.STOP and event.trial in self._running:
                self._executor.stop(event.trial)
        self._sink.write(events)

    def _again(self, trial: TrialSpec) -> Proposed:
        again = dataclasses.replace(trial, attempt=trial.attempt + 1)
        self._waiting.append(again)
        return Proposed(spec=again, at=self._clock())

    def _lost(self, trial: TrialSpec, reason: str) -> Lost:
        return Lost(trial=trial.index, attempt=trial.attempt, at=self._clock(), reason=reason)

    # ------------------------------------------------------------ resuming

    def _restore(self, history: list[Event]) -> None:
        """Continue after recorded events: the sampler relives them, trials without an outcome are queued again."""
        self._sampler.replay(history)
        open_trials: dict[int, tuple[TrialSpec, bool]] = {}  # trial -> (latest attempt, whether it ever started)
        for event in history:
            match event:
                case Proposed(spec=spec):
                    open_trials[spec.index] = (spec, False)
                    self._proposed = max(self._proposed, spec.index + 1)
                case Finished(trial=index, outcome=outcome, step=step):
                    open_trials.pop(index, None)
                    self._outcomes[outcome] += 1
                    self._steps[index] = step
                case Lost(trial=index, reason=reason) if reason != INTERRUPTED:
                    self._losses[index] += 1
                    open_trials[index] = (open_trials[index][0], True)
                case _ if event.trial in open_trials:
                    open_trials[event.trial] = (open_trials[event.trial][0], True)
        again: list[Event] = []
        for trial, started in open_trials.values():
            if started:
                again.append(self._again(trial))
            else:
                self._waiting.append(trial)
        self._record(again)

    def _summary(self, status: Literal["done", "interrupted"], start: float) -> Summary:
        return Summary(
            status=status,
            outcomes=Counter(self._outcomes),
            steps=sum(self._steps.values()),
            seconds=self._clock() - start,
        )


def _at_the_bell(event: Event) -> Event:
    """Say on a trial that was cut short by the clock that it was not judged."""
    if isinstance(event, Finished) and event.outcome is State.PRUNED:
        return dataclasses.replace(event, note="stopped: the sweep's wall time is over")
    return event
