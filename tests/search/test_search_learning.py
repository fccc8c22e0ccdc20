"""Samplers that learn find better configurations than chance, on plain spaces and on conditional ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from statistics import median

import pytest
from search_sweeps import CONDITIONAL, LOSS, PLANE, Sweep, conditional_loss, make, plane_loss

from tuner.search import make_search
from tuner.space import Space
from tuner.trial import Params

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


@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 30), ("gp", 6), ("cmaes", 30), ("nsga2", 30)])
def test_what_is_learnt_reaches_the_parameters_of_an_option(sampler: str, trials: int) -> None:
    """Of two pasts judged in opposite ways, the same optimizer must come out with another learning rate."""
    asked: list[list[Params]] = []
    for sign in (1.0, -1.0):
        loss = partial(_signed, sign)
        asked.append(Sweep(make(sampler), loss, slots=1, mishaps=0.0).run(trials).asked)
    pairs = [(a, b) for a, b in zip(*asked, strict=True) if a["optimizer"] == b["optimizer"]]
    assert any(a[name] != b[name] for a, b in pairs for name in a if name.endswith(".lr"))


def _signed(sign: float, params: Params) -> float:
    return sign * conditional_loss(params)


def test_a_low_discrepancy_sequence_covers_the_plane_more_evenly_than_chance() -> None:
    assert typical("qmc", "plane", 64, 15) < typical("random", "plane", 64, 40)
