"""Best so far only ever gets better, and means what a recount from scratch means."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from analysis_sweeps import ACCURACY, LOSS, records, sweep
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.analysis.progress import progress
from tuner.analysis.results import Results
from tuner.trial import Objective, State

SWEEPS = {
    "n": st.integers(1, 30),
    "repeats": st.integers(1, 3),
    "seed": st.integers(0, 10_000),
    "objective": st.sampled_from([ACCURACY, LOSS]),
}


@settings(max_examples=40, deadline=None)
@given(**SWEEPS)
def test_it_is_the_best_of_the_configurations_done_by_then(
    n: int, repeats: int, seed: int, objective: Objective
) -> None:
    results = Results(sweep(repeats=repeats, objectives=[objective]), records(n, repeats=repeats, seed=seed))
    rows = progress(results)
    ended = sorted(results.records, key=lambda r: r.finished_at or math.inf)
    assert [r.spec.index for r in ended] == list(rows.trials)
    for row, best in enumerate(rows.best):
        done = set(rows.trials[: row + 1])
        values = [
            c.estimates[objective.metric].mean
            for c in results.configurations
            if c.state is State.COMPLETED and done.issuperset(t.spec.index for t in c.trials)
        ]
        expected = (min if objective is LOSS else max)(values, default=math.nan)
        assert best == expected or (math.isnan(best) and math.isnan(expected))
        assert rows.steps[row] == sum(r.step for r in ended[: row + 1])


@settings(max_examples=40, deadline=None)
@given(**SWEEPS)
def test_it_never_gets_worse(n: int, repeats: int, seed: int, objective: Objective) -> None:
    made = records(n, repeats=repeats, seed=seed)
    best = progress(Results(sweep(repeats=repeats, objectives=[objective]), made)).best
    assert not any(objective.better(before, after) for before, after in pairwise(best))


def test_after_steps_reads_the_last_row_paid_for() -> None:
    rows = progress(Results(sweep(), records(20, unhappy=0.0)))
    assert rows.after_steps(rows.steps[0] - 1) is None
    for row, steps in enumerate(rows.steps):
        assert rows.after_steps(steps) == rows.best[row]
    assert rows.after_steps(rows.total_steps + 1) == rows.best[-1]


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_ended_is_no_progress(n: int) -> None:
    made = [r for r in records(40) if r.state is State.PRUNED][:n]
    rows = progress(Results(sweep(), made))
    assert len(rows.trials) == len(rows.best) == n
    assert rows.after_steps(10**9) is None
