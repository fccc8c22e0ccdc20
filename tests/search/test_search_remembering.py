"""Pruners that remember decide as Optuna's own, which look at everything again."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from tuner.search.remembering import Hyperband, Percentile, SuccessiveHalving, _quantile
from tuner.search.storage import ReplayableStorage

STEPS = 27
PAIRS = {
    "median": (lambda: Percentile(50.0, 3, 0), lambda: optuna.pruners.MedianPruner(3, 0)),
    "warm": (lambda: Percentile(50.0, 0, 4), lambda: optuna.pruners.MedianPruner(0, 4)),
    "percentile": (lambda: Percentile(33.3, 1, 2), lambda: optuna.pruners.PercentilePruner(33.3, 1, 2)),
    "halving": (lambda: SuccessiveHalving(1, 3, 0), lambda: optuna.pruners.SuccessiveHalvingPruner(1, 3, 0)),
    "late": (lambda: SuccessiveHalving(2, 4, 1), lambda: optuna.pruners.SuccessiveHalvingPruner(2, 4, 1)),
    "hyperband": (lambda: Hyperband(1, STEPS, 3), lambda: optuna.pruners.HyperbandPruner(1, STEPS, 3)),
}


def decisions(pruner, direction, lives, every):
    """Some trials at once, each reporting in turn, and which were pruned at which of their reports."""
    study = optuna.create_study(
        storage=ReplayableStorage(), study_name="s", direction=direction, pruner=pruner,
        sampler=optuna.samplers.RandomSampler(0),
    )  # fmt: skip
    made: list[tuple[int, int, bool]] = []
    running: list[tuple[optuna.Trial, list[float]]] = []
    waiting = list(lives)
    while running or waiting:
        while waiting and len(running) < 3:
            running.append((study.ask(), list(waiting.pop(0))))
        for place in list(running):
            trial, curve = place
            step = min(every * (1 + len(study._storage.get_trial(trial._trial_id).intermediate_values)), STEPS)
            if curve:
                trial.report(curve.pop(0), step)
                is_pruned = trial.should_prune()
                made.append((trial.number, step, is_pruned))
            else:
                is_pruned = False
            if is_pruned or not curve:
                running.remove(place)
                state = TrialState.PRUNED if is_pruned else TrialState.COMPLETE
                study.tell(trial, None if is_pruned else float(trial.number), state=state)
    return made


VALUES = st.floats(-1e3, 1e3) | st.integers(0, 3).map(float)  # many are equal, at times
LIVES = st.lists(st.lists(VALUES, max_size=9), min_size=1, max_size=12)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=40)
@given(lives=LIVES, every=st.sampled_from([1, 3]))
def test_they_decide_as_optunas(name, direction, lives, every):
    ours, theirs = PAIRS[name]
    assert decisions(ours(), direction, lives, every) == decisions(theirs(), direction, lives, every)


@pytest.mark.parametrize("name", PAIRS)
def test_what_they_are_compared_on_gets_pruned(name):
    lives = [[float(trial - step / 10) for step in range(9)] for trial in range(12)]
    assert 0 < sum(is_pruned for *_, is_pruned in decisions(PAIRS[name][0](), "minimize", lives, 3)) < 12


@given(values=st.lists(VALUES, min_size=1, max_size=9).map(sorted), percentile=st.floats(0, 100))
def test_what_lies_between_two_values_is_rounded_as_numpy_does(values, percentile):
    assert _quantile(values, percentile / 100) == np.percentile(values, percentile)
