"""What the study is told of repeats, outcomes and repeated events."""

from __future__ import annotations

import math

import pytest
from optuna.trial import FrozenTrial
from search_sweeps import ACCURACY, LOSS, STEPS, Sweep, make

from tuner.search import Search
from tuner.space import Int, Space, Uniform
from tuner.trial import (
    Checkpointed,
    Decision,
    Event,
    Finished,
    Lost,
    Proposed,
    Reported,
    Started,
    State,
    TrialSpec,
)

LINE = Space(branches=(), shared={"n": Int(0, 99)})


def line(pruner: str = "none", *, repeats: int = 1, configurations: int = 3, **options: object) -> Search:
    search = make("grid", pruner, space=LINE, repeats=repeats, points=100, **options)
    for _ in range(configurations):
        search.ask()
    return search


def told(search: Search) -> list[FrozenTrial]:
    return search._study.get_trials(deepcopy=False)


def proposed(trial: int, attempt: int = 0) -> Event:
    spec = TrialSpec(sweep="s-1", index=trial, attempt=attempt, params={"n": trial}, seed=0, total_steps=STEPS[-1])
    return Proposed(spec=spec, at=0.0)


def reported(trial: int, step: int, loss: float, attempt: int = 0) -> Event:
    return Reported(trial=trial, attempt=attempt, at=0.0, step=step, metrics={"loss": loss})


def finished(trial: int, outcome: State = State.COMPLETED, **values: float) -> Event:
    return Finished(trial=trial, attempt=0, at=0.0, step=STEPS[-1], outcome=outcome, values=values)


def completed(search: Search, losses: list[float], repeats: int = 1, steps: tuple[int, ...] = STEPS) -> None:
    """One completed configuration for each loss, with flat curves."""
    for trial, loss in enumerate(loss for loss in losses for _ in range(repeats)):
        for step in steps:
            assert search.observe(reported(trial, step, loss)) is Decision.CONTINUE
        search.observe(finished(trial, loss=loss))


def test_a_configuration_is_told_once_when_its_last_repeat_has_an_outcome() -> None:
    search = line(repeats=3)
    for trial, loss in ((2, 3.0), (0, 1.0)):
        search.observe(finished(trial, loss=loss))
        assert told(search)[0].values is None
    search.observe(finished(1, loss=8.0))
    assert told(search)[0].values == [4.0]
    search.observe(finished(1, loss=100.0))  # a repeated event is a no-op
    assert told(search)[0].values == [4.0]


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([State.COMPLETED, State.PRUNED, State.DIVERGED], "PRUNED"),
        ([State.COMPLETED, State.COMPLETED, State.DIVERGED], "COMPLETE"),
        ([State.COMPLETED, State.FAILED, State.FAILED], "COMPLETE"),
        ([State.FAILED, State.FAILED, State.FAILED], "FAIL"),
        ([State.DIVERGED, State.FAILED, State.DIVERGED], "COMPLETE"),
    ],
)
def test_one_outcome_stands_for_all_repeats(outcomes: list[State], state: str) -> None:
    search = line(repeats=3)
    completed(search, [9.0], repeats=3)  # something for a stand-in to be taken from
    for trial, outcome in enumerate(outcomes, 3):
        search.observe(finished(trial, outcome, **({"loss": 2.0} if outcome is State.COMPLETED else {})))
    assert told(search)[1].state.name == state
    if state == "COMPLETE":
        assert told(search)[1].values == [9.0 if State.DIVERGED in outcomes else 2.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_completed_trial_without_a_finite_value_is_no_number_to_the_study(value: float | None) -> None:
    search = line()
    search.observe(finished(0, **({} if value is None else {"loss": value})))
    assert told(search)[0].state.name == "FAIL"


def test_a_diverged_configuration_counts_as_the_worst_so_far_in_each_objective() -> None:
    search = line(objectives=(LOSS, ACCURACY), configurations=5)
    search.observe(finished(0, State.DIVERGED))
    assert told(search)[0].state.name == "FAIL"  # nothing to compare with yet
    search.observe(finished(1, loss=1.0, accuracy=0.2))
    search.observe(finished(2, loss=5.0, accuracy=0.9))
    search.observe(finished(3, State.DIVERGED))
    assert told(search)[3].values == [5.0, 0.2]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsga2"])
def test_no_sampler_dwells_where_trials_diverge(sampler: str) -> None:
    space = Space(branches=(), shared={"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)})
    search = make(sampler, space=space, seed=1)
    asked = []
    for trial in range(12 if sampler == "gp" else 60):
        params = search.ask()
        assert params is not None
        asked.append(float(params["x"]))
        diverged = asked[-1] > 0.5  # while the loss falls towards that edge
        search.observe(finished(trial, State.DIVERGED) if diverged else finished(trial, loss=1 - asked[-1]))
    late = asked[len(asked) // 2 :]
    assert sum(x > 0.5 for x in late) < 0.5 * len(late)
    assert max(x for x in late if x <= 0.5) > 0.4


def test_the_curve_of_a_configuration_is_the_mean_of_its_repeats_once_all_have_come_so_far() -> None:
    search = line("median", repeats=2)
    search.observe(reported(0, 10, 1.0))
    search.observe(reported(0, 20, 2.0))
    assert told(search)[0].intermediate_values == {}
    search.observe(reported(1, 10, 3.0))
    assert told(search)[0].intermediate_values == {10: 2.0}
    search.observe(Lost(trial=1, attempt=0, at=0.0, reason="worker died"))
    search.observe(proposed(1, attempt=1))
    search.observe(reported(1, 10, 99.0, attempt=1))  # reported before: says nothing new
    search.observe(reported(1, 20, 4.0, attempt=1))
    assert told(search)[0].intermediate_values == {10: 2.0, 20: 3.0}


def test_a_judged_configuration_stops_all_its_repeats() -> None:
    search = line("median", repeats=2)
    completed(search, [1.0, 1.0], repeats=2)
    assert search.observe(reported(4, 10, 5.0)) is Decision.CONTINUE  # the other repeat has not come so far
    assert search.observe(reported(5, 10, 5.0)) is Decision.STOP
    assert search.observe(Started(trial=4, attempt=0, at=0.0, worker="w")) is Decision.STOP
    assert search.observe(Checkpointed(trial=4, attempt=0, at=0.0, step=10, path="p")) is Decision.STOP
    assert search.observe(reported(4, 20, 0.0)) is Decision.STOP
    assert search.observe(finished(4, State.PRUNED)) is Decision.CONTINUE  # it runs no more
    assert search.observe(finished(5, loss=5.0)) is Decision.CONTINUE  # it was too quick to be stopped
    assert told(search)[2].state.name == "PRUNED"
    assert told(search)[2].values == [5.0]


def test_wilcoxon_compares_finished_repeats() -> None:
    search = line("wilcoxon", repeats=4)
    completed(search, [1.0], repeats=4)
    for repeat in (0, 1):
        assert search.observe(reported(4 + repeat, 40, 50.0)) is Decision.CONTINUE
        search.observe(finished(4 + repeat, loss=50.0))
    assert told(search)[1].intermediate_values == {0: 50.0, 1: 50.0}
    assert search.observe(reported(6, 10, 50.0)) is Decision.STOP


def test_wilcoxon_is_silent_about_a_best_configuration_with_a_failed_repeat() -> None:
    search = line("wilcoxon", repeats=3)
    search.observe(finished(0, State.FAILED))
    for trial in (1, 2, 3, 4, 5):
        search.observe(finished(trial, loss=1.0 + trial))
    assert told(search)[1].values == [5.0]


def test_metrics_that_are_no_objective_do_not_reach_the_pruner() -> None:
    search = line("median")
    search.observe(Reported(trial=0, attempt=0, at=0.0, step=10, metrics={"lr": 0.1}))
    assert told(search)[0].intermediate_values == {}


def test_the_grid_ends() -> None:
    search = make("grid", space=LINE, points=100)
    assert [search.ask() for _ in range(102)] == [*({"n": n} for n in range(100)), None, None]
    assert len(told(search)) == 100


def test_a_long_sweep_keeps_its_pace() -> None:
    """Counts trials listed, not seconds: listing them all at each event would make a sweep quadratic."""
    search = make("random")
    listings = []
    whole = search._study._storage.get_all_trials
    search._study._storage.get_all_trials = lambda *a, **k: listings.append(len(found := whole(*a, **k))) or found
    Sweep(search).run(50)
    assert sum(listings) == 0
