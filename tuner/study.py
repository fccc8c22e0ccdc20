"""The loop of a sweep: ask, submit, poll, record, observe. It knows protocols only, no concrete class."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.errors import WorkloadError
from tuner.protocols import Executor, Recorder, Sampler, Sink
from tuner.standing import Standing
from tuner.trial import (
    INTERRUPTED,
    Checkpointed,
    Decision,
    Event,
    Finished,
    Lost,
    Paused,
    Proposed,
    Started,
    State,
    Sweep,
    TrialSpec,
    derive_seed,
)

MAX_LOSSES = 3  # a trial that took this many workers down with it has failed
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
        self._suspects: deque[TrialSpec] = deque()
        self._alone: int | None = None  # the suspect that is being tried
        self._exhausted = False
        self._failures: list[str] = []  # of this run of the loop
        history = list(history)
        self._books = Standing.after(history)
        self._restore(history)

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
                left = len(self._waiting) + len(self._suspects) + len(self._running) + len(self._books.paused)
                return self._summary("done", start, f"the wall time is over; {left} trials have no outcome yet")
            nothing_left = self._refill()
            if nothing_left and not self._running:
                self._prune_paused()
                return self._summary("done", start)
            self._take(self._executor.poll(patience))
        self._leave()
        return self._summary(INTERRUPTED, start)

    # ------------------------------------------------------------ asking and submitting

    def _refill(self) -> bool:
        """Submit as many trials as there is room for; whether there was room and nothing to go there."""
        if self._suspects or self._alone is not None:
            self._try_suspect()
            return False
        room = self._executor.free()
        proposals: list[Event] = []
        while len(self._waiting) < room and (trials := self._promoted() or self._ask()):
            proposals += [self._propose(trial) for trial in trials]
            self._waiting.extend(trials)
        self._record(proposals)
        batch = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        self._submit(batch)
        return room > 0 and not batch

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

    def _promoted(self) -> list[TrialSpec]:
        """Paused trials that the sampler wants to go on: the budget has counted them already."""
        going = [self._books.paused[trial] for trial in self._sampler.promote()]
        return [
            dataclasses.replace(
                spec,
                attempt=spec.attempt + 1,
                resume_step=paused.step,
                pause_step=self._sampler.pause_step(spec.index),
            )
            for spec, paused in going
        ]

    def _prune_paused(self) -> None:
        """Nothing can promote what is still paused: each such trial ended where and when it paused."""
        ends: list[Event] = [
            Finished(
                trial=paused.trial,
                attempt=paused.attempt,
                at=paused.at,
                step=paused.step,
                outcome=State.PRUNED,
                values=paused.values,
            )
            for _, paused in self._books.paused.values()
        ]
        for end in ends:
            self._books.take(end)
        self._record(ends)

    def _ask(self) -> list[TrialSpec]:
        """The trials of the next configuration, one for each repeat; none where the budget or the space is used up."""
        if self._exhausted or (self._budget.trials is not None and self._books.proposed >= self._budget.trials):
            self._exhausted = True
            return []
        params = self._sampler.ask()
        if params is None:
            self._exhausted = True
            return []
        first = self._books.proposed
        return [
            TrialSpec(
                sweep=self._sweep.id,
                index=first + repeat,
                params=params,
                # The same for every configuration, so that configurations are compared from equal starts.
                seed=derive_seed(self._sweep.seed, "trial", repeat) % 2**31,
                total_steps=self._budget.steps,
                pause_step=self._sampler.pause_step(first + repeat),
            )
            for repeat in range(self._sweep.repeats)
        ]

    # ------------------------------------------------------------ recording and observing

    def _take(self, events: Sequence[Event]) -> None:
        """Record what happened, then learn from it."""
        true: list[Event] = []
        for event in events:
            if self._is_true(event):
                true += self._follow(event)
        self._record(true)
        if len(self._failures) >= HOPELESS and self._is_hopeless():
            self._leave()
            raise WorkloadError(f"the first {HOPELESS} trials all failed; the last one:\n{self._failures[-1]}")

    def _is_hopeless(self) -> bool:
        """Whether no trial has ever got anywhere."""
        others = self._books.outcomes.keys() - {State.FAILED} or self._books.paused
        return not others and not any(self._books.steps.get(trial) for trial in self._running)

    def _is_true(self, event: Event) -> bool:
        """Whether it is no late word of an attempt that is over; a pause may be over before its state is on disk."""
        trial = self._running.get(event.trial)
        if trial is None and isinstance(event, Checkpointed) and event.trial in self._books.paused:
            trial = self._books.paused[event.trial][0]
        return trial is not None and trial.attempt == event.attempt

    def _follow(self, event: Event) -> list[Event]:
        """Keep the books; what to record: a lost attempt is queued again, or is the end of its trial."""
        if isinstance(event, Lost) and self._books.losses_with(event) >= MAX_LOSSES:
            return self._follow(self._given_up(event))
        self._books.take(event)
        index = event.trial
        if not isinstance(event, Started):
            self._clear(index)
        match event:
            case Finished(outcome=outcome, note=note):
                del self._running[index]
                if outcome is State.FAILED:
                    self._failures.append(note)
            case Paused():
                del self._running[index]
            case Lost():
                return [event, self._again(self._running.pop(index))]
        return [event]

    def _given_up(self, lost: Lost) -> Finished:
        return Finished(
            trial=lost.trial,
            attempt=lost.attempt,
            at=lost.at,
            step=self._books.steps.get(lost.trial, 0),
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
        """Queue a trial's next attempt, from the newest state that there is of it."""
        resume_step = self._books.states.newest(trial.index)
        again = dataclasses.replace(trial, attempt=trial.attempt + 1, resume_step=resume_step)
        self._queue(again)
        return self._propose(again)

    def _queue(self, trial: TrialSpec) -> None:
        (self._waiting if self._books.losses[trial.index] < MAX_LOSSES - 1 else self._suspects).append(trial)

    def _propose(self, trial: TrialSpec) -> Proposed:
        proposed = Proposed(spec=trial, at=self._clock())
        self._books.take(proposed)
        return proposed

    def _leave(self) -> None:
        """Give up what is running; it has no outcome yet and runs again when the sweep is resumed."""
        now = self._clock()
        running = self._running.values()
        self._record([Lost(trial=t.index, attempt=t.attempt, at=now, reason=INTERRUPTED) for t in running])

    # ------------------------------------------------------------ resuming

    def _restore(self, history: list[Event]) -> None:
        """Continue after recorded events: the sampler relives them, trials without an outcome are queued again."""
        self._sampler.replay(history)
        for trial in self._books.waiting.values():
            self._queue(trial)
        self._record([self._again(trial) for trial in list(self._books.begun.values())])

    def _summary(self, status: Literal["done", "interrupted"], start: float, note: str = "") -> Summary:
        return Summary(
            status=status,
            outcomes=Counter(self._books.outcomes),
            steps=sum(self._books.steps.values()),
            seconds=self._clock() - start,
            note=note,
        )
