"""Every schedule is a pure function of the step, warms up alike, and says what it takes."""

from __future__ import annotations

import doctest
import importlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner import schedules
from tuner.errors import HyperError, UnknownNameError, UsageError
from tuner.hyper import Hyper

NAMES = schedules.names()
HYPERS = [(name, hyper) for name in NAMES for hyper in schedules.get(name).hypers]


def values(hyper: Hyper) -> st.SearchStrategy[float | int]:
    """Any value of the domain, the open ends' neighbourhood left out."""
    low, high = hyper.low, min(hyper.high, max(hyper.low + 1.0, 20.0))
    if hyper.integer:
        return st.integers(int(low), int(high))
    margin = 1e-3 * (high - low)
    return st.floats(low + margin * hyper.low_open, high - margin * hyper.high_open)


def drawn(name: str) -> st.SearchStrategy[dict[str, float | int]]:
    return st.fixed_dictionaries({key: values(hyper) for key, hyper in schedules.get(name).hypers.items()})


TOTALS = st.integers(1, 300)
PROPERTY = settings(max_examples=25)


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
    together = {key: torch.tensor([run[key] for run in runs], dtype=torch.float64) for key in runs[0]}
    columns = [schedule(torch.full((3,), float(s)), torch.tensor(totals), **together) for s in steps]
    for k in range(3):
        vector = schedule(torch.tensor(steps), totals[k], **runs[k])
        assert vector.tolist() == pytest.approx(single[k], rel=1e-12, abs=1e-12)
        assert [float(c[k]) for c in columns] == pytest.approx(single[k], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(data=st.data(), total=TOTALS)
def test_warmup_rises_in_a_line_to_the_shape_on_the_rest(name: str, data: st.DataObject, total: int) -> None:
    schedule = schedules.get(name)
    own = data.draw(drawn(name))
    share = own.pop("warmup")
    warmup = min(round(share * total), total - 1)
    rest = total - warmup
    rise = torch.arange(1, warmup + 1, dtype=torch.float64) / (warmup + 1) * schedule(0, rest, **own)
    expected = torch.cat([rise, schedule(torch.arange(rest), rest, **own)])
    torch.testing.assert_close(schedule(torch.arange(total), total, **own, warmup=share), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(data=st.data(), total=TOTALS)
def test_after_the_run_the_factor_stays(name: str, data: st.DataObject, total: int) -> None:
    chosen = data.draw(drawn(name))
    factors = schedules.get(name)(torch.arange(total, total + 50), total, **chosen)
    assert (factors == factors[0]).all()


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
    for value in (below, math.nan, "much", None):
        with pytest.raises(HyperError) as caught:
            schedules.get(name)(0, 10, **{key: value})
        assert str(caught.value) == f"{name}.{key}: expected {hyper.expected()}, got {value!r}"
    with pytest.raises(HyperError, match=rf"^{name}\.{key}: expected "):
        schedules.get(name)(torch.zeros(2), 10, **{key: torch.tensor([float(hyper.default), below])})


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        schedules.get("cosin")
    with pytest.raises(UsageError, match="cosine has no hyperparameter 'warmpu'; did you mean 'warmup'"):
        schedules.get("cosine")(0, 10, warmpu=0.1)


def test_examples_in_the_docstrings_run() -> None:
    result = doctest.testmod(importlib.import_module("tuner.schedules.schedule"))
    assert result.attempted >= 3
    assert result.failed == 0
