"""Every schedule is a pure function of the step, warms up and cools down alike, and says what it takes."""

from __future__ import annotations

import doctest
import importlib
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner import schedules
from tuner.errors import HyperError, UnknownNameError, UsageError
from tuner.hyper import Hyper
from tuner.schedules.ramps import RAMPS
from tuner.schedules.schedule import COMMON
from tuner.trial import Value

NAMES = schedules.names()
HYPERS = [(name, hyper) for name in NAMES for hyper in schedules.get(name).hypers]


def values(hyper: Hyper) -> st.SearchStrategy[Value]:
    """Any value of the domain, the open ends' neighbourhood left out."""
    if hyper.choices:
        return st.sampled_from(hyper.choices)
    if hyper.nullable:
        return st.none() | values(replace(hyper, nullable=False))
    low, high = hyper.low, min(hyper.high, max(hyper.low + 1.0, 20.0))
    if hyper.integer:
        return st.integers(int(low), int(high))
    margin = 1e-3 * (high - low)
    return st.floats(low + margin * hyper.low_open, high - margin * hyper.high_open)


def drawn(name: str) -> st.SearchStrategy[dict[str, Value]]:
    """Any hypers of a schedule, the cooldown within what the warmup leaves."""
    hypers = st.fixed_dictionaries({key: values(hyper) for key, hyper in schedules.get(name).hypers.items()})
    return hypers.map(lambda h: {**h, "cooldown": h["cooldown"] * (1 - h["warmup"])})


def column(elements: list[Value]) -> torch.Tensor | list[Value]:
    """A hyper of many runs: a tensor, or a list where there are words or None."""
    numbers = all(isinstance(element, int | float) for element in elements)
    return torch.tensor(elements, dtype=torch.float64) if numbers else elements


TOTALS = st.integers(1, 300)
PROPERTY = settings(max_examples=25, deadline=None, derandomize=True)


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(data=st.data(), total=TOTALS)
def test_factors_are_finite_and_neither_negative_nor_above_one(name: str, data: st.DataObject, total: int) -> None:
    factors = schedules.get(name)(torch.arange(2 * total + 2), total, **data.draw(drawn(name)))
    assert factors.dtype == torch.float64
    assert factors.isfinite().all()
    assert (factors >= 0).all()
    assert (factors <= 1 + 1e-12).all()


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(data=st.data(), total=TOTALS)
def test_a_scalar_a_vector_and_a_vector_of_runs_agree(name: str, data: st.DataObject, total: int) -> None:
    schedule = schedules.get(name)
    runs = [data.draw(drawn(name)) for _ in range(3)]
    steps = [0, total // 2, total + 1]
    totals = [total, total + 1, 2 * total]
    single = [[schedule(s, t, **run) for s in steps] for run, t in zip(runs, totals, strict=True)]
    assert all(isinstance(factor, float) for factors in single for factor in factors)
    together = {key: column([run[key] for run in runs]) for key in runs[0]}
    columns = [schedule(torch.full((3,), float(s)), torch.tensor(totals), **together) for s in steps]
    for k in range(3):
        vector = schedule(torch.tensor(steps), totals[k], **runs[k])
        assert vector.tolist() == pytest.approx(single[k], rel=1e-12, abs=1e-12)
        assert [float(c[k]) for c in columns] == pytest.approx(single[k], rel=1e-12, abs=1e-12)


RISES: dict[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "cosine": lambda x: math.sin(math.pi * x / 2) ** 2,
    "exponential": lambda x: (100**x - 1) / 99,
    "1-sqrt": lambda x: 1 - (1 - x) ** 0.5,
}


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(data=st.data(), total=TOTALS)
def test_the_shape_stands_between_warmup_and_cooldown(name: str, data: st.DataObject, total: int) -> None:
    schedule = schedules.get(name)
    given_hypers = data.draw(drawn(name))
    own = {key: value for key, value in given_hypers.items() if key not in COMMON}
    warmup = min(round(given_hypers["warmup"] * total), total - 1)
    cooldown = round(given_hypers["cooldown"] * total)
    rise, fall = RISES[given_hypers["warmup_shape"]], RISES[given_hypers["cooldown_shape"]]
    bare = schedule(torch.arange(total - warmup), total - warmup, **own).tolist()
    expected = []
    for step in range(total):
        factor = bare[max(0, step - warmup)]
        if step < warmup:
            factor *= rise((step + 1) / (warmup + 1))
        if step >= total - cooldown:
            factor *= fall((total - step) / cooldown)
        expected.append(factor)
    assert schedule(torch.arange(total), total, **given_hypers).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_every_ramp_rises_from_nothing_to_all() -> None:
    assert set(RISES) == set(RAMPS)
    for rise in RAMPS.values():
        heights = rise(torch.linspace(0, 1, 101, dtype=torch.float64))
        assert heights[0] == 0
        assert heights[-1] == pytest.approx(1, abs=1e-15)
        assert (heights.diff() > 0).all()


@pytest.mark.parametrize(
    ("warmup", "cooldown"), [(0.6, 0.5), (torch.tensor([0.1, 0.6]), 0.5), (0.6, [0.1, 0.5]), ([0.1, 0.6], [0.2, 0.5])]
)
def test_a_warmup_and_a_cooldown_longer_than_the_run_are_refused(warmup: object, cooldown: object) -> None:
    with pytest.raises(HyperError) as caught:
        schedules.get("linear")(torch.zeros(2), 10, warmup=warmup, cooldown=cooldown)
    assert str(caught.value) == "linear.cooldown: expected <= 0.4, what linear.warmup = 0.6 leaves, got 0.5; lower one"


def test_a_run_that_is_all_warmup_and_cooldown() -> None:
    assert schedules.as_table("constant", 10, warmup=0.7, cooldown=0.3) == pytest.approx(
        [(s + 1) / 8 for s in range(7)] + [1, 2 / 3, 1 / 3]
    )


@pytest.mark.parametrize("name", NAMES)
def test_only_one_of_the_common_hypers_is_searched_by_default(name: str) -> None:
    assert [key for key in COMMON if schedules.get(name).hypers[key].search is not None] == ["warmup"]


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(data=st.data(), total=TOTALS)
def test_after_the_run_the_factor_stays(name: str, data: st.DataObject, total: int) -> None:
    chosen = data.draw(drawn(name))
    factors = schedules.get(name)(torch.arange(total, total + 50), total, **chosen)
    torch.testing.assert_close(factors, factors[:1].expand(50), rtol=1e-14, atol=0)  # powers are not bit for bit


@pytest.mark.parametrize("name", [n for n in NAMES if "final" in schedules.get(n).hypers])
def test_final_is_the_factor_at_the_end(name: str) -> None:
    last = {"cosine-restarts": {"period": 1.0}}.get(name, {})
    assert schedules.get(name)(10_000, 10_000, final=0.3, **last) == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_says_what_it_is(name: str) -> None:
    page = schedules.get(name).page
    assert schedules.get(name).doc.endswith(".")
    assert ".. math::" in page
    assert "Reference:" in page or name == "constant"


@pytest.mark.parametrize(("name", "key"), HYPERS)
def test_hypers_are_sound_and_values_outside_are_refused(name: str, key: str) -> None:
    hyper = schedules.get(name).hypers[key]
    hyper.check(key, hyper.default)
    assert hyper.doc
    for end in () if hyper.search is None else hyper.search.choices or (hyper.search.low, hyper.search.high):
        hyper.check(key, end)
    below = hyper.low if hyper.low_open else hyper.low - 1.0
    for value in (below, math.nan, "much", *(() if hyper.nullable else (None,))):
        with pytest.raises(HyperError) as caught:
            schedules.get(name)(0, 10, **{key: value})
        assert str(caught.value) == f"{name}.{key}: expected {hyper.expected()}, got {value!r}"
    with pytest.raises(HyperError, match=rf"^{name}\.{key}: expected "):
        schedules.get(name)(torch.zeros(2), 10, **{key: [hyper.default, below]})


@pytest.mark.parametrize("total", [0, -3, math.nan, torch.tensor([10, 0])])
def test_a_run_without_steps_is_refused(total: float) -> None:
    with pytest.raises(UsageError, match=r"^cosine: expected total_steps >= 1, got (0|-3|nan)$"):
        schedules.get("cosine")(torch.zeros(2), total)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        schedules.get("cosin")
    with pytest.raises(UsageError, match="cosine has no hyperparameter 'warmpu'; did you mean 'warmup'"):
        schedules.get("cosine")(0, 10, warmpu=0.1)


@pytest.mark.parametrize("module", ["schedule", "trajectory", "table", "plateau"])
def test_examples_in_the_docstrings_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"tuner.schedules.{module}"))
    assert result.attempted >= 1
    assert result.failed == 0
