"""Samplers that learn find better configurations than chance, on plain spaces and on conditional ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import median

import pytest
from search_sweeps import CONDITIONAL, LOSS, PLANE, Sweep, conditional_loss, make, plane_loss

from tuner.search import make_search
from tuner.space import Space
from tuner.trial import Finished, Params, State

CASES = {"plane": (PLANE, plane_loss), "conditional": (CONDITIONAL, conditional_loss)}
OPTIONS = {"nsga2": {"population": 10}, "gp": {"startup_trials": 5}}


def best(sampler: str, configurations: int, seed: int, space: Space, loss: Callable[[Params], float]) -> float:
    """The least loss among so many configurations, one after the other."""
    search = make_search(
        space=space,
        objectives=(LOSS,),
        sampler=sampler,
        sampler_options=OPTIONS.get(sampler, {}),
        pruner="none",
        pruner_options={},
        seed=seed,
        repeats=1,
        total_steps=1,
    )
    return min(map(loss, Sweep(search, loss, slots=1, mishaps=0.0).run(configurations).asked))


@cache
def typical(sampler: str, case: str, configurations: int, seeds: int) -> float:
    return median(best(sampler, configurations, seed, *CASES[case]) for seed in range(seeds))


@pytest.mark.parametrize(
    ("sampler", "case", "configurations", "seeds"),
    [
        ("tpe", "plane", 50, 4),
        ("tpe", "conditional", 60, 4),
        ("cmaes", "plane", 50, 5),
        ("cmaes", "conditional", 100, 5),
        ("nsga2", "plane", 100, 5),
        ("gp", "plane", 10, 3),  # each of its asks fits a model
    ],
)
def test_learning_beats_chance(sampler: str, case: str, configurations: int, seeds: int) -> None:
    assert typical(sampler, case, configurations, seeds) < 0.8 * typical("random", case, configurations, 40)


@pytest.mark.parametrize(
    ("sampler", "options"),
    [("tpe", {"startup_trials": 11}), ("gp", {"startup_trials": 11}), ("cmaes", {}), ("nsga2", {})],
)
def test_what_is_learnt_reaches_the_parameters_of_an_option(sampler: str, options: dict[str, object]) -> None:
    """One past, two judgements of it: what comes next must differ in an optimizer's own parameters."""
    proposals = []
    for sign in (1.0, -1.0):
        search = make(sampler, **options)
        for trial in range(12):
            params = search.ask()
            assert params is not None
            loss = sign * conditional_loss(params)
            search.observe(
                Finished(trial=trial, attempt=0, at=0.0, step=1, outcome=State.COMPLETED, values={"loss": loss})
            )
        proposals.append({name: value for name, value in params.items() if name.endswith(".lr")})
    assert proposals[0] != proposals[1]


def test_a_low_discrepancy_sequence_covers_the_plane_more_evenly_than_chance() -> None:
    assert typical("qmc", "plane", 64, 15) < typical("random", "plane", 64, 40)
