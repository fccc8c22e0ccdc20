"""The executors that `test_execution_contract.py` tests: one more entry of EXECUTORS covers a new one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tuner.execution.simulated import SimulatedExecutor
from tuner.execution.synthetic import synthetic_table
from tuner.protocols import Executor
from tuner.trial import Event, Finished, Objective, Reported, TrainingPlan, TrialSpec

PATIENT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class ExecutorCase:
    """An executor and what it is tested with.

    ``open(plan, slots)`` starts one. ``completing`` are at least six trials, of at least four evaluations each, that
    complete when nobody stops them; ``diverging`` is one that diverges. Indices are all different.
    """

    name: str
    plan: TrainingPlan
    open: Callable[[TrainingPlan, int], Executor]
    completing: Sequence[TrialSpec]
    diverging: TrialSpec


def simulated() -> ExecutorCase:
    table = synthetic_table(rows=40, evaluations=8, seed=0, diverging=0.1)
    trial = TrialSpec(sweep="contract-1", index=0, params=table.params(0), seed=0, total_steps=80)
    return ExecutorCase(
        name="simulated",
        plan=TrainingPlan(objectives=(Objective(metric="loss", direction="minimize"),), evaluate_every=10),
        open=lambda plan, slots: SimulatedExecutor(table, plan=plan, slots=slots),
        completing=[replace(trial, index=row, params=table.params(row)) for row in range(10, 17)],
        diverging=trial,
    )


EXECUTORS: dict[str, Callable[[], ExecutorCase]] = {"simulated": simulated}


def drive(
    executor: Executor, trials: Sequence[TrialSpec], *, stop_at: Callable[[Event], bool] = lambda event: False
) -> dict[int, list[Event]]:
    """Run trials to their ends, as many at once as fit; each trial's events in order of arrival.

    A trial is stopped when ``stop_at`` says so of one of its events.
    """
    waiting = list(trials)
    told: dict[int, list[Event]] = {trial.index: [] for trial in trials}
    deadline = time.monotonic() + PATIENT_SECONDS
    while not all(events and isinstance(events[-1], Finished) for events in told.values()):
        assert time.monotonic() < deadline, f"no end after {PATIENT_SECONDS} s: {told}"
        batch, waiting = waiting[: executor.free()], waiting[executor.free() :]
        executor.submit(batch)
        for event in executor.poll(1.0):
            told[event.trial].append(event)
            if stop_at(event):
                executor.stop(event.trial)
    return told


def curve(events: Sequence[Event]) -> list[tuple[int, dict[str, float]]]:
    """What a trial reported, without times and places."""
    return [(event.step, dict(event.metrics)) for event in events if isinstance(event, Reported)]


def outcome(events: Sequence[Event]) -> Finished:
    """A trial's last event."""
    last = events[-1]
    assert isinstance(last, Finished)
    return last
