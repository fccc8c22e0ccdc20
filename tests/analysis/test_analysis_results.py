"""Records are grouped into configurations, and only what was completed is ranked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from analysis_sweeps import ACCURACY, LOSS, record, records, sweep
from hypothesis import given
from hypothesis import strategies as st

from tuner.analysis.results import Results
from tuner.trial import State

PLAIN = {"optimizer": "sgd", "schedule": "constant", "sgd.lr": 0.1}


def test_every_trial_belongs_to_one_configuration_in_any_order() -> None:
    made = records(60, repeats=3)
    shuffled = made[1::2] + made[::2][::-1]
    results = Results(sweep(repeats=3), shuffled)
    assert [t for c in results.configurations for t in c.trials] == made
    assert all(t.spec.index // 3 == c.index for c in results.configurations for t in c.trials)
    assert results.ranking == Results(sweep(repeats=3), made).ranking


@given(st.lists(st.integers(0, 5), min_size=1, max_size=25), st.sampled_from([ACCURACY, LOSS]))
def test_a_rank_is_one_more_than_the_number_of_better_ones(values: list[int], objective: object) -> None:
    made = [record(i, PLAIN, values={"accuracy": float(v), "loss": float(v)}) for i, v in enumerate(values)]
    ranking = Results(sweep(objectives=[objective]), made).ranking
    assert len(ranking) == len(values)
    for place in ranking:
        own = place.configuration.estimates[objective.metric].mean
        assert place.rank == 1 + sum(objective.better(other, own) for other in values)
    for earlier, later in pairwise(ranking):
        assert (earlier.rank, earlier.configuration.index) < (later.rank, later.configuration.index)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20))
def test_rank_one_is_the_pareto_front(values: list[tuple[int, int]]) -> None:
    made = [record(i, PLAIN, values={"accuracy": float(a), "loss": float(b)}) for i, (a, b) in enumerate(values)]
    ranking = Results(sweep(objectives=[ACCURACY, LOSS]), made).ranking
    front = {place.configuration.index for place in ranking if place.rank == 1}

    def beaten(i: int) -> bool:
        """Whether another one is nowhere worse and somewhere better."""
        accuracy, loss = values[i]
        return any(a >= accuracy and b <= loss and (a, b) != (accuracy, loss) for a, b in values)

    assert front == {i for i in range(len(values)) if not beaten(i)}


@pytest.mark.parametrize(
    ("states", "together"),
    [
        ([State.COMPLETED] * 3, State.COMPLETED),
        ([State.COMPLETED, State.DIVERGED, State.COMPLETED], State.DIVERGED),
        ([State.COMPLETED, State.PRUNED, State.FAILED], State.PRUNED),
        ([State.COMPLETED, State.FAILED, State.RUNNING], State.FAILED),
        ([State.COMPLETED, State.RUNNING, State.WAITING], State.RUNNING),
        ([State.COMPLETED, State.COMPLETED], State.WAITING),  # the third was never proposed
    ],
)
def test_a_configuration_stands_where_its_worst_repeat_stands(states: list[State], together: State) -> None:
    results = Results(sweep(repeats=3), [record(i, PLAIN, state) for i, state in enumerate(states)])
    (configuration,) = results.configurations
    assert configuration.state is together
    assert len(results.ranking) == (together is State.COMPLETED)


@pytest.mark.parametrize("state", [state for state in State if state is not State.COMPLETED])
def test_only_the_completed_win(state: State) -> None:
    perfect = record(0, PLAIN, state, values={"accuracy": 1.0})
    results = Results(sweep(), [perfect, record(1, PLAIN, values={"accuracy": 0.1})])
    assert results.winner is not None
    assert results.winner.index == 1


def test_a_completed_trial_without_the_objective_is_not_ranked() -> None:
    assert Results(sweep(), [record(0, PLAIN, values={"loss": 0.1})]).winner is None


def test_searched_are_the_parameters_that_vary() -> None:
    made = [
        record(0, PLAIN | {"clip_norm": None, "width": 1, "on": True}),
        record(1, PLAIN | {"clip_norm": 1.0, "width": 1, "on": True}),
        record(2, {"optimizer": "adam", "schedule": "constant", "adam.lr": 0.1, "clip_norm": 1.0, "width": 1, "on": 1}),
    ]
    assert Results(sweep(), made).searched == ("optimizer", "clip_norm", "on")


def test_groups_part_the_configurations() -> None:
    results = Results(sweep(), records(50))
    groups = results.groups("optimizer")
    assert sorted(c.index for members in groups.values() for c in members) == list(range(50))
    assert all(c.optimizer == name for name, members in groups.items() for c in members)
