"""Sampling, grids and listings agree, on spaces made of the real registries."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner import optim, schedules
from tuner.hyper import Hyper, choice, complete
from tuner.space import Choice, Distribution, Fixed, Problems, Range, Source, Space, build, draft_of, read

OPTIMIZERS = {name: optim.get(name).hypers for name in optim.names()}
SCHEDULES = {name: schedules.get(name).hypers for name in schedules.names()}
WORKLOAD = {"batch_size": Hyper(default=64, low=1, integer=True, search=choice(32, 64), doc="examples")}


def build_space(data: object) -> Space:
    problems = Problems()
    draft = read(data, draft_of, problems)
    space = build(draft, optimizers=OPTIMIZERS, schedules=SCHEDULES, workload=WORKLOAD, problems=problems)
    problems.raise_any(Source("here"))
    return space


spaces = st.fixed_dictionaries(
    {"optimizer": st.lists(st.sampled_from(sorted(OPTIMIZERS)), min_size=1, max_size=3, unique=True)},
    optional={
        "schedule": st.lists(st.sampled_from(sorted(SCHEDULES)), min_size=1, max_size=2, unique=True),
        "clip_norm": st.sampled_from([1.0, {"choice": [None, 0.5]}, {"log": [0.1, 10]}]),
        "workload": st.sampled_from([{"batch_size": "search"}, {"seed": {"choice": [0, 1]}}, {"seed": 3}]),
    },
).map(build_space)


class Drawing:
    """Suggests at random, and remembers what it was asked."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.asked: dict[str, Distribution] = {}

    def __call__(self, name: str, distribution: Distribution):
        assert name not in self.asked
        self.asked[name] = distribution
        return self.random.choice(distribution.points(7))


@given(spaces, st.integers(0, 10**6))
def test_samples_are_whole_valid_configurations(space: Space, seed: int) -> None:
    params = space.sample(drawing := Drawing(seed))
    assert space.contains(params)
    assert drawing.asked.items() <= space.distributions().items()
    assert drawing.asked.keys() <= params.keys()
    for registry, name in ((OPTIMIZERS, params["optimizer"]), (SCHEDULES, params["schedule"])):
        own = {key.removeprefix(f"{name}."): value for key, value in params.items() if key.startswith(f"{name}.")}
        assert len(own) == len(registry[name])
        assert all(math.isfinite(v) for v in complete(name, registry[name], own).values() if isinstance(v, float))


@given(spaces, st.integers(0, 10**6))
def test_the_order_of_questions_depends_on_the_answers_alone(space: Space, seed: int) -> None:
    first, again = Drawing(seed), Drawing(seed)
    assert space.sample(first) == space.sample(again)
    assert list(first.asked) == list(again.asked)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spaces)
def test_a_grid_is_the_conditional_product(space: Space) -> None:
    grid = list(space.grid(1))
    assert len({tuple(sorted(params.items(), key=str)) for params in grid}) == len(grid)
    assert all(space.contains(params) for params in grid)
    options = [branch.options.values() for branch in space.branches]
    per_branch = [sum(math.prod(len(d.points(1)) for d in o.values()) for o in branch) for branch in options]
    assert len(grid) == math.prod(per_branch) * math.prod(len(d.points(1)) for d in space.shared.values())


def test_a_grid_of_ranges_reaches_their_ends() -> None:
    space = build_space({"optimizer": {"sgd": {"lr": {"log": [0.01, 1]}}}, "schedule": {"cosine": {"warmup": 0.1}}})
    assert [params["sgd.lr"] for params in space.grid(3)] == pytest.approx([0.01, 0.1, 1.0])


@given(spaces)
def test_every_searched_parameter_is_asked_on_some_path(space: Space) -> None:
    seen: set[str] = set()
    for optimizer in space.branches[0].options:
        for schedule in space.branches[1].options:

            def suggest(name: str, d: Distribution, chosen=(optimizer, schedule)):
                seen.add(name)
                return {"optimizer": chosen[0], "schedule": chosen[1]}.get(name, d.points(1)[0])

            space.sample(suggest)
    assert seen == set(space.distributions())
    assert not any(isinstance(d, Fixed) for d in space.distributions().values())


@given(spaces, st.integers(0, 10**6))
def test_contains_refuses_what_is_missing_left_over_or_outside(space: Space, seed: int) -> None:
    params = space.sample(Drawing(seed))
    name = random.Random(seed).choice(sorted(params))  # noqa: S311
    assert not space.contains({k: v for k, v in params.items() if k != name})
    assert not space.contains({**params, "stranger": 1})
    assert not space.contains({**params, name: "no such value"})


@given(spaces)
def test_edges_are_known_by_name(space: Space) -> None:
    for name, distribution in space.distributions().items():
        low, high = ("low", "high") if isinstance(distribution, Range) else (None, None)
        points = distribution.points(5)
        assert space.at_edge(name, points[0]) == low
        assert space.at_edge(name, points[-1]) == high
    assert space.at_edge("stranger", 1.0) is None


def test_branches_with_one_option_are_fixed() -> None:
    space = build_space({"optimizer": "sgd"})
    assert {"optimizer", "schedule"}.isdisjoint(space.distributions())
    assert build_space({"optimizer": ["sgd", "adam"]}).distributions()["optimizer"] == Choice(("sgd", "adam"))


@pytest.mark.parametrize("registry", ["optimizer", "schedule"])
def test_every_default_range_lies_in_its_own_domain(registry: str) -> None:
    known = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}[registry]
    space = build_space({"optimizer": "sgd", registry: sorted(known)})
    branch = next(b for b in space.branches if b.name == registry)
    for entry, parameters in branch.options.items():
        for name, distribution in parameters.items():
            for end in distribution.ends():
                complete(entry, known[entry], {name.removeprefix(f"{entry}."): end})
