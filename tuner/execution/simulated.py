"""Trials from a table of learning curves, in virtual time: the whole loop without any training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tuner.errors import SpecError
from tuner.execution.capacity import must_fit
from tuner.execution.kept import Kept, starts
from tuner.execution.nearest import NearestRows
from tuner.execution.table import CurveTable
from tuner.training.progress import Progress
from tuner.trial import Event, Finished, Paused, Reported, Started, State, TrainingPlan, TrialSpec


class Evaluation(NamedTuple):
    """One evaluation that was played: the trial, its row of the table, and which of the row's evaluations (from 0)."""

    trial: int
    row: int
    number: int


@dataclass(slots=True)
class _Run:
    """A trial in a slot: ``due`` is the virtual time of its next evaluation."""

    trial: TrialSpec
    row: int
    curve: list[float]
    progress: Progress
    due: float
    step: int = 0
    done: int = 0


class SimulatedExecutor:
    """Plays rows of a table as trials; each takes the nearest row (see NearestRows) and one slot.

    Time is virtual: an evaluation takes its row's ``epochs``, slots run side by side, and an event's ``at`` is the
    time in epochs since the beginning. Evaluation n of a curve is reported at step n * ``plan.evaluate_every``; a
    trial ends with its curve or with its last step, whichever is first. ``played`` lists the evaluations in order,
    ``epochs`` is what they cost together.

    Raises SpecError where the plan has other objectives than the table's metric.
    """

    def __init__(self, table: CurveTable, *, plan: TrainingPlan, slots: int) -> None:
        for objective in plan.objectives:
            if objective.metric != table.metric:
                raise SpecError(
                    f"objective: expected {table.metric!r}, the metric of {table.source}, got {objective.metric!r}"
                )
        self.slots = slots
        self.played: list[Evaluation] = []
        self.epochs = 0.0
        self._table, self._plan = table, plan
        self._rows = NearestRows(table)
        self._row_of: dict[int, int] = {}
        self._running: dict[int, _Run] = {}
        self._paused: dict[int, _Run] = {}  # within one poll
        self._kept = Kept[_Run]()
        self._events: list[Event] = []
        self._now = 0.0

    @property
    def reused(self) -> int:
        """How many trials got a row that an earlier trial had played, for want of fresh ones."""
        return max(self._rows.handed_out - len(self._table), 0)

    def free(self) -> int:
        """How many more trials it would take now."""
        return self.slots - len(self._running)

    def submit(self, trials: Sequence[TrialSpec]) -> None:
        """Start trials now. Raises ExecutorError, and starts none, where they are more than ``free``."""
        must_fit(trials, self.free())
        starting, lost = starts(trials, self._kept.state, self._now)
        self._events += lost
        for trial, paused in starting:
            run = self._running[trial.index] = self._go_on(trial, paused) if paused else self._begin(trial)
            self._events.append(
                Started(trial=trial.index, attempt=trial.attempt, at=self._now, worker=f"simulated row {run.row}")
            )

    def poll(self, timeout: float) -> Sequence[Event]:  # noqa: ARG002 - virtual time never waits
        """One more evaluation of every slot that is due next, after which their trials can be stopped; at once."""
        self._now = min((run.due for run in self._running.values()), default=self._now)
        for run in [run for run in self._running.values() if run.due == self._now]:
            self._evaluate(run)
        events, self._events = self._events, []
        self._kept.follow(events, self._paused.pop)
        return events

    def stop(self, trial: int) -> None:
        """Prune a running trial before its next evaluation; nothing happens where it has ended already."""
        if trial in self._running:
            self._end(self._running[trial], State.PRUNED)

    def close(self) -> None:
        """Forget the trials still running."""
        self._running.clear()
        self._events.clear()

    def _begin(self, trial: TrialSpec) -> _Run:
        row = self._row_of.get(trial.index)
        if row is None:
            row = self._row_of[trial.index] = self._rows.take(trial.params)
        return _Run(
            trial=trial,
            row=row,
            curve=self._table.curves[row].tolist(),
            progress=Progress(self._plan),
            due=self._now + float(self._table.epochs[row]),
        )

    def _go_on(self, trial: TrialSpec, paused: _Run) -> _Run:
        run = replace(paused, trial=trial, progress=Progress(self._plan))
        run.progress.restore(paused.progress.state())
        run.due = self._now + float(self._table.epochs[run.row])
        return run

    def _evaluate(self, run: _Run) -> None:
        trial, value, cost = run.trial, run.curve[run.done], float(self._table.epochs[run.row])
        self.played.append(Evaluation(trial.index, run.row, run.done))
        self.epochs += cost
        run.done += 1
        run.step = min(run.done * self._plan.evaluate_every, trial.total_steps)
        run.due = self._now + cost
        metric = self._table.metric
        if not math.isfinite(value):
            self._end(run, State.DIVERGED, f"{metric} became {value} at step {run.step}")
            return
        metrics = {metric: value}
        run.progress.add(metrics)
        self._events.append(
            Reported(trial=trial.index, attempt=trial.attempt, at=self._now, step=run.step, metrics=metrics)
        )
        if run.done == len(run.curve) or run.step == trial.total_steps:
            self._end(run, State.COMPLETED)
        elif run.progress.out_of_patience():
            self._end(run, State.COMPLETED, "patience")
        elif trial.pause_step is not None and run.step >= trial.pause_step:
            self._pause(run)

    def _pause(self, run: _Run) -> None:
        trial = run.trial
        self._paused[trial.index] = self._running.pop(trial.index)
        self._events.append(
            Paused(trial=trial.index, attempt=trial.attempt, at=self._now, step=run.step, values=run.progress.values())
        )

    def _end(self, run: _Run, outcome: State, note: str = "") -> None:
        del self._running[run.trial.index]
        self._events.append(
            Finished(
                trial=run.trial.index,
                attempt=run.trial.attempt,
                at=self._now,
                step=run.step,
                outcome=outcome,
                values={} if outcome is State.DIVERGED else run.progress.values(),
                note=note,
            )
        )
