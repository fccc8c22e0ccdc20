"""Distributions as Optuna's, as draws and as features."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.search.scales import QUANTILES, feature, feature_value, optuna_value, quantile, to_optuna, value_from_optuna
from tuner.space import Choice, Distribution, Int, Log, Normal, Uniform

DISTRIBUTIONS = [
    Uniform(-1.0, 3.0),
    Uniform(0.0, 0.9, step=0.1),
    Log(1e-6, 0.3),
    Int(-3, 9),
    Int(2, 8, step=3),
    Int(1, 100, log=True),
    Normal(3.0, 0.5),
    Normal(-2.1, 1.31, log10=True),
    Choice((None, 1.5, "adam", True)),
]
every_distribution = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
share = st.floats(0, 1, exclude_max=True)


@every_distribution
@given(share=share)
def test_a_draw_lies_in_the_distribution_whoever_asks(distribution: Distribution, share: float) -> None:
    value = quantile(distribution, share)
    optunas = to_optuna(distribution)
    assert distribution.contains(value)
    assert optunas._contains(optunas.to_internal_repr(optuna_value(distribution, value)))
    seen_as = feature(distribution)
    assert seen_as._contains(seen_as.to_internal_repr(feature_value(distribution, value)))


@every_distribution
@given(share=share, step=st.integers(0, QUANTILES))
def test_what_optuna_was_told_is_what_it_is_told_again(distribution: Distribution, share: float, step: int) -> None:
    shared = optuna_value(distribution, quantile(distribution, share))
    asked = step / QUANTILES if isinstance(distribution, Normal) else shared
    value = value_from_optuna(distribution, asked)
    assert distribution.contains(value)
    assert optuna_value(distribution, value) == asked


@every_distribution
def test_the_ends_can_be_drawn(distribution: Distribution) -> None:
    points = distribution.points(1000)
    first, last = distribution.ends() if isinstance(distribution, Normal) else (points[0], points[-1])
    assert quantile(distribution, 0.0) == pytest.approx(first, rel=1e-9) if first is not None else True
    assert quantile(distribution, 1 - 1e-12) == pytest.approx(last, rel=1e-6)


@pytest.mark.parametrize("distribution", [d for d in DISTRIBUTIONS if len(d.points(50)) <= 20], ids=repr)
def test_values_that_can_be_counted_are_equally_likely(distribution: Distribution) -> None:
    values = distribution.points(50)
    drawn = Counter(quantile(distribution, (n + 0.5) / (60 * len(values))) for n in range(60 * len(values)))
    assert drawn == Counter(dict.fromkeys(values, 60))


def test_a_whole_number_on_a_log_scale_is_as_likely_as_in_optuna() -> None:
    drawn = Counter(quantile(Int(1, 4, log=True), (n + 0.5) / 10_000) for n in range(10_000))
    # ln(1.5 / 0.5), ln(2.5 / 1.5), ... over ln(4.5 / 0.5)
    assert [drawn[n] / 10_000 for n in (1, 2, 3, 4)] == pytest.approx([0.5, 0.2325, 0.1531, 0.1144], abs=1e-3)


def test_draws_of_a_normal_have_its_moments() -> None:
    shares = [(n + 0.5) / 10_000 for n in range(10_000)]
    draws = [quantile(Normal(3.0, 0.5), share) for share in shares]
    assert (fmean(draws), pstdev(draws)) == pytest.approx((3.0, 0.5), rel=2e-3)
    powers = [math.log10(quantile(Normal(-2.1, 1.31, log10=True), share)) for share in shares]
    assert (fmean(powers), pstdev(powers)) == pytest.approx((-2.1, 1.31), rel=2e-3)
