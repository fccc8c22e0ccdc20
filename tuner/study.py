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
    """What a sweep may use: ``trials`` training runs, ``steps`` a trial; None is no limit.

    ``wall_time`` is the seconds of one run of the loop: a sweep that is resumed has them again.
    """

    steps: int
    trials: int | None = None
    wall_time: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How this run of the loop ended. ``status``: done, or interrupted (resumable); ``note``: what to know of it."""

    status: Literal["done", "interrupted"]
    outcomes: Counter[State]
    steps: int
    seconds: float
    note: str = ""


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
        self._suspects: deque[TrialSpec] = deque()
        self._alone: int | None = None  # the suspect that is being tried
        self._steps: dict[int, int] = {}
        self._proposed = 0
        self._exhausted = False
        self._failures: list[str] = []  # of this run of the loop
        self._restore(list(history))

    def run(self, interrupted: Callable[[], bool] = lambda: False, patience: float = 0.2) -> Summary:
        """Run until the budget is used, the sampler has nothing left, or ``interrupted()`` says so.

        ``patience`` is how many seconds one poll may wait. Raises StoreError where an event cannot be recorded
        (nothing recorded is lost; the sweep can be resumed) and WorkloadError where every trial so far has failed.
        """
        start = self._clock()
        wall_time = self._budget.wall_time
        while not interrupted():
            if wall_time is not None and self._clock() - start >= wall_time:
                self._leave()
                left = len(self._waiting) + len(self._suspects) + len(self._running)
                return self._summary("done", start, f"the wall time is over; {left} trials have no outcome yet")
            self._refill()
            if not self._running and self._exhausted:
                return self._summary("done", start)
            self._take(self._executor.poll(patience))
        self._leave()
        return self._summary(INTERRUPTED, start)

    # ------------------------------------------------------------ asking and submitting

    def _refill(self) -> None:
        if self._suspects or self._alone is not None:
            self._try_suspect()
            return
        room = self._executor.free()
        proposals: list[Event] = []
        while len(self._waiting) < room and (configuration := self._ask()):
            proposals += [Proposed(spec=trial, at=self._clock()) for trial in configuration]
            self._waiting.extend(configuration)
        self._record(proposals)
        self._submit([self._waiting.popleft() for _ in range(min(room, len(self._waiting)))])

    def _try_suspect(self) -> None:
        """Run a trial that was lost more than once alone until it reports: it shall not take others with it again."""
        if not self._running and self._suspects and self._executor.free():
            suspect = self._suspects.popleft()
            self._alone = suspect.index
            self._submit([suspect])

    def _clear(self, trial: int) -> None:
        """Let others in again, once a suspect has shown that it can run, or that it cannot."""
        if self._alone == trial:
            self._alone = None

    def _submit(self, batch: list[TrialSpec]) -> None:
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

    def _take(self, events: Sequence[Event]) -> None:
        """Record what happened, then learn from it."""
        true: list[Event] = []
        for event in events:
            trial = self._running.get(event.trial)
            if trial is None or trial.attempt != event.attempt:
                continue  # late words of an attempt that was given up
            true += self._follow(event)
        self._record(true)
        if len(self._failures) >= HOPELESS and not self._outcomes.keys() - {State.FAILED}:
            self._leave()
            raise WorkloadError(f"the first {HOPELESS} trials all failed; the last one:\n{self._failures[-1]}")

    def _follow(self, event: Event) -> list[Event]:
        """Keep the books; what to record: a lost attempt is queued again, or is the end of its trial."""
        match event:
            case Finished(trial=index, step=step, outcome=outcome, note=note):
                del self._running[index]
                self._clear(index)
                self._outcomes[outcome] += 1
                self._steps[index] = step
                if outcome is State.FAILED:
                    self._failures.append(note)
            case Reported(trial=index, step=step):
                self._steps[index] = step
                self._clear(index)
            case Lost(trial=index):
                self._losses[index] += 1
                if self._losses[index] >= MAX_LOSSES:
                    return self._follow(self._given_up(event))
                self._clear(index)
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
        (self._waiting if self._losses[trial.index] < MAX_LOSSES - 1 else self._suspects).append(again)
        return Proposed(spec=again, at=self._clock())

    def _leave(self) -> None:
        """Give up what is running; it has no outcome yet and runs again when the sweep is resumed."""
        now = self._clock()
        running = self._running.values()
        self._record([Lost(trial=t.index, attempt=t.attempt, at=now, reason=INTERRUPTED) for t in running])

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

    def _summary(self, status: Literal["done", "interrupted"], start: float, note: str = "") -> Summary:
        return Summary(
            status=status,
            outcomes=Counter(self._outcomes),
            steps=sum(self._steps.values()),
            seconds=self._clock() - start,
            note=note,
        )
