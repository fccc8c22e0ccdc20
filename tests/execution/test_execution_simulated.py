"""Virtual time, the choice of rows, regret, and what a table spans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from executor_contract import curve, drive, outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import SpecError
from tuner.execution.nearest import NearestRows
from tuner.execution.regret import regret
from tuner.execution.simulated import SimulatedExecutor
from tuner.execution.span import check_space, space_of, span
from tuner.execution.synthetic import synthetic_table
from tuner.execution.table import CurveTable
from tuner.space import Branch, Choice, Fixed, Int, Log, Space, Uniform
from tuner.trial import Finished, Objective, Params, Reported, State, TrainingPlan, TrialSpec, Value

LOSS = Objective(metric="loss", direction="minimize")
PLAN = TrainingPlan(objectives=(LOSS,), evaluate_every=5)


def table_of(columns: dict[str, Sequence[Value]], evaluations: int = 4, epochs: Sequence[float] = ()) -> CurveTable:
    rows = len(next(iter(columns.values())))
    curves = 1.0 / np.arange(1, rows * evaluations + 1).reshape(rows, evaluations)
    hypers = {name: tuple(values) for name, values in columns.items()}
    costs = np.array(epochs or [1.0] * rows)
    return CurveTable(source="curves.csv", metric="loss", hypers=hypers, curves=curves, epochs=costs)


def trials_of(table: CurveTable, rows: Sequence[int], total_steps: int = 20) -> list[TrialSpec]:
    return [
        TrialSpec(sweep="s-1", index=index, params=table.params(row), seed=0, total_steps=total_steps)
        for index, row in enumerate(rows)
    ]


# ---------------------------------------------------------------- which row


def distance(table: CurveTable, params: Params, row: int) -> float:
    """The documented distance, written the slow way."""
    total = 0.0
    for name, values in table.hypers.items():
        a, b = params.get(name), values[row]
        numbers = [v for v in values if v is not None]
        if any(isinstance(v, str) for v in numbers) or a is None or b is None:
            total += a != b
            continue
        low, high = min(numbers), max(numbers)
        scale = math.log if low > 0 and high / low > 100 else float
        if low < high:
            a = min(max(a, low), high)
            total += abs(scale(a) - scale(b)) / (scale(high) - scale(low))
        else:
            total += a != b
    return total


numbers = st.none() | st.floats(-10, 10).map(lambda x: round(x, 2)) | st.floats(-4, 4).map(lambda x: 10**x)
configurations = st.fixed_dictionaries(
    {"a": numbers, "b": st.none() | st.integers(1, 1000), "c": st.sampled_from(["x", "y", "z", None])}
)


@settings(max_examples=100, deadline=None)
@given(st.lists(configurations, min_size=1, max_size=12), st.lists(configurations, min_size=1, max_size=30))
def test_a_trial_gets_the_nearest_row_that_is_left(rows, asked):
    table = table_of({name: [row[name] for row in rows] for name in "abc"})
    nearest = NearestRows(table)
    left: set[int] = set()
    for params in asked:
        left = left or set(range(len(rows)))
        row = nearest.take(params)
        assert row in left
        assert distance(table, params, row) <= min(distance(table, params, r) for r in left) + 1e-5
        left -= {row}


def test_every_configuration_of_the_table_finds_itself():
    table = synthetic_table(rows=200, evaluations=3, seed=1)
    order = np.random.default_rng(0).permutation(200).tolist()
    nearest = NearestRows(table)
    assert [nearest.take(table.params(row)) for row in order] == order


def test_rows_that_are_played_again_are_counted():
    table = table_of({"lr": [0.1, 0.2]})
    executor = SimulatedExecutor(table, plan=PLAN, slots=3)
    drive(executor, trials_of(table, [0, 1]))
    assert executor.reused == 0
    told = drive(executor, [replace(t, index=t.index + 2) for t in trials_of(table, [1, 1, 0])])
    assert executor.reused == 3
    assert [curve(events)[-1][1]["loss"] for events in told.values()] == [1 / 8, 1 / 4, 1 / 4]


# ---------------------------------------------------------------- virtual time


def test_slots_advance_by_what_their_rows_cost():
    table = table_of({"lr": [0.1, 0.2]}, evaluations=2, epochs=[1.0, 3.0])
    executor = SimulatedExecutor(table, plan=PLAN, slots=2)
    executor.submit(trials_of(table, [0, 1]))
    polls = [[(e.trial, e.at, e.step) for e in executor.poll(0) if isinstance(e, Reported)] for _ in range(4)]
    assert polls == [[(0, 1.0, 5)], [(0, 2.0, 10)], [(1, 3.0, 5)], [(1, 6.0, 10)]]
    assert executor.epochs == 8.0


def test_a_poll_is_one_evaluation_so_a_trial_can_be_stopped_at_its_rung():
    table = synthetic_table(rows=6, evaluations=5, seed=0)
    executor = SimulatedExecutor(table, plan=PLAN, slots=6)
    executor.submit(trials_of(table, range(6)))
    first = [event for event in executor.poll(0) if isinstance(event, Reported)]
    assert [(event.trial, event.step) for event in first] == [(trial, 5) for trial in range(6)]
    for trial in (1, 3, 5):
        executor.stop(trial)
    assert executor.free() == 3
    second = executor.poll(0)
    ended = [(e.trial, e.outcome, e.step) for e in second if isinstance(e, Finished)]
    assert ended == [(trial, State.PRUNED, 5) for trial in (1, 3, 5)]
    assert [event.trial for event in second if isinstance(event, Reported)] == [0, 2, 4]
    assert executor.epochs == 9


@pytest.mark.parametrize(("total_steps", "steps"), [(20, [5, 10, 15, 20]), (12, [5, 10, 12]), (99, [5, 10, 15, 20])])
def test_a_trial_ends_with_its_curve_or_its_last_step(total_steps, steps):
    table = table_of({"lr": [0.1]})
    executor = SimulatedExecutor(table, plan=PLAN, slots=1)
    (events,) = drive(executor, trials_of(table, [0], total_steps)).values()
    assert curve(events) == [(step, {"loss": table.curves[0, n]}) for n, step in enumerate(steps)]
    assert (outcome(events).outcome, outcome(events).step) == (State.COMPLETED, steps[-1])


def test_an_objective_other_than_the_tables_metric_is_refused():
    plan = TrainingPlan(objectives=(LOSS, Objective(metric="accuracy", direction="maximize")), evaluate_every=1)
    with pytest.raises(SpecError, match=r"expected 'loss', the metric of curves\.csv, got 'accuracy'"):
        SimulatedExecutor(table_of({"lr": [0.1]}), plan=plan, slots=1)


# ---------------------------------------------------------------- regret


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("at", ["last", "best"])
def test_regret_is_what_the_incumbent_loses(direction, at):
    objective = Objective(metric="loss", direction=direction, at=at)
    table = synthetic_table(rows=30, evaluations=6, seed=3, diverging=0.2)
    executor = SimulatedExecutor(table, plan=replace(PLAN, objectives=(objective,)), slots=4)
    drive(executor, trials_of(table, range(30), total_steps=30))
    points = regret(table, executor.played, objective)
    assert [point.epochs for point in points] == [6, 12, 30, 60, 120, executor.epochs]
    finals = table.finals(objective)
    best = min(finals) if direction == "minimize" else max(finals)
    for point in points:
        curves: dict[int, list[dict[str, float]]] = {}
        rows = {}
        for trial, row, number in executor.played[: int(point.epochs)]:  # every evaluation costs one epoch here
            curves.setdefault(trial, []).append({"loss": table.curves[row, number]})
            rows[trial] = row
        values = {t: objective.value(c) for t, c in curves.items() if math.isfinite(c[-1]["loss"])}
        incumbent = values[point.trial]
        assert not any(objective.better(value, incumbent) for value in values.values())
        assert point.row == rows[point.trial]
        assert point.regret == pytest.approx(abs(finals[point.row] - best))
    assert points[-1].regret == pytest.approx(0.0)  # every row was trained to its end


def test_regret_before_anything_finite_was_seen():
    table = table_of({"lr": [0.1, 0.2]})
    table.curves[0] = math.nan
    assert regret(table, [], LOSS) == []
    executor = SimulatedExecutor(table, plan=PLAN, slots=1)
    drive(executor, trials_of(table, [0]))
    assert regret(table, executor.played, LOSS) == []


# ---------------------------------------------------------------- what the columns span


SPANS = [
    ([0.1, 0.3, None], Uniform(0.1, 0.3)),
    ([0.01, 1.0], Uniform(0.01, 1.0)),
    ([0.01, 1.1], Log(0.01, 1.1)),
    ([-1.0, 500.0], Uniform(-1.0, 500.0)),
    ([2, 8, 4], Int(2, 8)),
    ([1, 512], Int(1, 512, log=True)),
    ([1, 2.5], Uniform(1, 2.5)),
    ([2, 2**60], Log(2, 2**60)),
    ([7, 7], Fixed(7)),
    (["b", "a", "b"], Choice(("b", "a"))),
    ([True, None, False], Choice((True, False))),
    (["auto", 3], Choice(("auto", 3))),
]


@pytest.mark.parametrize(("values", "expected"), SPANS, ids=str)
def test_span_of_a_column(values, expected):
    assert span(values) == expected


MIXED = table_of(
    {
        "optimizer": ["sgd", "adam", "adam", "sgd"],
        "sgd.lr": [0.1, None, None, 0.5],
        "adam.lr": [None, 1e-4, 1.0, None],
        "clip_norm": [None, 1.0, 2.0, None],
        "width": [16, 32, 64, 32],
    }
)


def test_the_space_of_a_table_holds_its_rows():
    space = space_of(MIXED)
    assert space.branches == (
        Branch("optimizer", {"sgd": {"sgd.lr": Uniform(0.1, 0.5)}, "adam": {"adam.lr": Log(1e-4, 1.0)}}),
    )
    assert space.shared == {"clip_norm": Choice((None, 1.0, 2.0)), "width": Int(16, 64)}
    check_space(MIXED, space)
    for row in range(len(MIXED)):
        assert space.contains({"clip_norm": None} | MIXED.params(row))


FITTING = Space(
    branches=(
        Branch("optimizer", {"sgd": {"sgd.lr": Uniform(0.3, 9.0), "sgd.nesterov": Fixed(False)}}),
        Branch("schedule", {"constant": {}}),
    ),
    shared={"width": Choice((8, 64)), "clip_norm": Choice((None, 1.5))},
)
MISFITS = {
    "option": (
        replace(FITTING, branches=(Branch("optimizer", {"sgd": {}, "adan": {}}),)),
        ["optimizer: no row has 'adan'; did you mean 'adam'?; they have: sgd, adam"],
    ),
    "branch": (
        replace(FITTING, branches=(Branch("schedule", {"cosine": {}, "constant": {}}),)),
        ["schedule: no such column", "the columns are: optimizer, sgd.lr"],
    ),
    "column": (
        replace(FITTING, shared={"widht": Int(16, 64), "depth": Int(1, 3)}),
        ["widht: no such column; did you mean 'width'?", "depth: no such column;"],
    ),
    "label": (replace(FITTING, shared={"width": Choice(("auto", None, 16))}), ["width: no row has 'auto', None"]),
    "above": (replace(FITTING, shared={"width": Int(128, 256)}), ["searched from 128 to 256, rows go from 16 to 64"]),
    "below": (replace(FITTING, shared={"width": Int(1, 8)}), ["searched from 1 to 8, rows go from 16 to 64"]),
}


def test_a_space_within_the_table_fits():
    check_space(MIXED, FITTING)


@pytest.mark.parametrize("name", MISFITS)
def test_a_space_that_the_table_cannot_answer_for_is_refused(name):
    space, fragments = MISFITS[name]
    with pytest.raises(SpecError) as error:
        check_space(MIXED, space)
    lines = str(error.value).splitlines()
    assert all(line.endswith("(curves.csv)") for line in lines)
    for fragment in fragments:
        assert any(fragment in line for line in lines)
