"""Whole sweeps over tables: the loop, a sampler and a pruner, with everything recorded, and no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tuner import spec, workloads
from tuner.execution.regret import regret
from tuner.execution.simulated import SimulatedExecutor
from tuner.execution.span import check_space, space_of
from tuner.execution.synthetic import synthetic_table
from tuner.execution.table import CurveTable, load_table
from tuner.search import make_search
from tuner.space import Space
from tuner.study import Budget, Study, Summary
from tuner.trial import Event, Objective, Proposed, State, Sweep, TrainingPlan

EXAMPLES = Path(__file__).parents[2] / "examples"


class Events:
    """A ledger and a sink that keep what they are given."""

    def __init__(self) -> None:
        self.kept: list[Event] = []

    def append(self, sweep: str, events: Sequence[Event]) -> None:
        self.kept += events

    def write(self, events: Sequence[Event]) -> None: ...

    def close(self) -> None: ...


def simulate(
    table: CurveTable, space: Space, plan: TrainingPlan, *, trials: int, steps: int, slots: int = 4, **search: object
) -> tuple[Summary, SimulatedExecutor, list[Event]]:
    sweep = Sweep(
        id="s-1",
        name="s",
        spec={},
        spec_text="",
        environment={},
        objectives=plan.objectives,
        seed=0,
        repeats=1,
        created_at=0,
    )
    sampler = make_search(
        space=space,
        objectives=plan.objectives,
        **{"sampler": "random", "sampler_options": {}, "pruner": "none", "pruner_options": {}} | search,
        seed=0,
        repeats=1,
        total_steps=steps,
    )
    executor = SimulatedExecutor(table, plan=plan, slots=slots)
    events = Events()
    budget = Budget(steps=steps, trials=trials)
    summary = Study(sweep, sampler=sampler, executor=executor, ledger=events, sink=events, budget=budget).run()
    return summary, executor, events.kept


def test_the_example_runs():
    wanted = spec.load(EXAMPLES / "simulate.yaml")
    workload = workloads.load(wanted.workload)
    objectives = spec.objectives(wanted, workload.metrics)
    table = load_table(EXAMPLES / "curves.csv", objectives[0].metric)
    space = spec.search_space(wanted, workload.hypers)
    check_space(table, space)
    plan = TrainingPlan(objectives=objectives, evaluate_every=wanted.budget.steps // table.evaluations)
    summary, executor, _ = simulate(
        table,
        space,
        plan,
        trials=wanted.budget.trials,
        steps=wanted.budget.steps,
        slots=wanted.executor.slots,
        sampler=wanted.sampler.name,
        pruner=wanted.pruner.name,
    )
    assert sum(summary.outcomes.values()) == wanted.budget.trials
    assert summary.outcomes[State.PRUNED] > 0
    points = regret(table, executor.played, objectives[0])
    assert points[-1].regret < 0.05
    assert executor.epochs == points[-1].epochs == len(executor.played)


@pytest.mark.parametrize("slots", [1, 5])
def test_a_sweep_of_every_row_finds_the_best_one(slots):
    table = synthetic_table(rows=40, evaluations=6, seed=2, diverging=0.2)
    objective = Objective(metric="loss", direction="minimize")
    plan = TrainingPlan(objectives=(objective,), evaluate_every=1)
    summary, executor, events = simulate(table, space_of(table), plan, trials=40, steps=6, slots=slots)
    assert summary.outcomes == {State.COMPLETED: 32, State.DIVERGED: 8}
    assert regret(table, executor.played, objective)[-1].regret == 0.0
    assert executor.reused == 0
    assert executor.epochs == np.isfinite(table.curves).sum() + 8  # the evaluation that was not finite counts too
    assert len([event for event in events if isinstance(event, Proposed)]) == 40


def test_a_pruner_saves_epochs():
    table = synthetic_table(rows=200, evaluations=20, seed=4)
    objective = Objective(metric="loss", direction="minimize")
    plan = TrainingPlan(objectives=(objective,), evaluate_every=1)
    spent = {}
    for pruner in ("none", "median"):
        _, executor, _ = simulate(table, space_of(table), plan, trials=100, steps=20, pruner=pruner)
        spent[pruner] = executor.epochs
    assert spent["none"] == 100 * 20
    assert spent["median"] < 0.8 * spent["none"]
