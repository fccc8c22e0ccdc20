"""Estimates and intervals hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.analysis.statistics import Estimate, estimate, least_difference, median_interval, spread

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def test_one_repeat_has_no_interval() -> None:
    assert estimate([0.5]) == Estimate(mean=0.5, n=1)


@given(st.lists(NUMBERS, min_size=2, max_size=9))
def test_the_interval_stands_around_the_mean(values: list[float]) -> None:
    it = estimate(values)
    assert it.n == len(values)
    assert it.low is not None
    assert it.high is not None
    assert it.sd == pytest.approx(np.std(values, ddof=1))
    assert it.low <= it.mean <= it.high
    assert it.high - it.mean == pytest.approx(it.mean - it.low, abs=1e-6)


def test_the_interval_of_the_mean_covers_it_in_95_percent() -> None:
    rng = np.random.default_rng(0)
    intervals = [estimate(list(rng.normal(3.0, 2.0, 4))) for _ in range(2_000)]
    covered = np.mean([it.low is not None and it.high is not None and it.low <= 3.0 <= it.high for it in intervals])
    assert 0.935 < covered < 0.965


def test_the_interval_of_the_median_covers_it() -> None:
    rng = np.random.default_rng(0)
    intervals = [median_interval(list(rng.exponential(1.0, 25))) for _ in range(150)]
    covered = np.mean([low is not None and high is not None and low <= math.log(2) <= high for low, high in intervals])
    assert 0.89 < covered < 0.99


def test_a_median_of_few_values_has_no_interval() -> None:
    assert median_interval([1.0, 2.0, 3.0, 4.0]) == (None, None)


@pytest.mark.parametrize("n", [5, 9, 31])
def test_the_interval_of_the_median_is_what_resampling_comes_to(n: int) -> None:
    rng = np.random.default_rng(n)
    values = np.sort(rng.normal(size=n))
    medians = np.median(rng.choice(values, (100_000, n)), axis=1)
    for end, share in zip(median_interval(list(values)), (0.025, 0.975), strict=True):
        assert np.searchsorted(values, end) == pytest.approx(np.searchsorted(values, np.quantile(medians, share)))


def test_the_interval_of_an_even_numbers_median_holds_both_middle_values() -> None:
    low, high = median_interval([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert low is not None
    assert high is not None
    assert low <= 2.0
    assert high >= 3.0


@given(st.lists(NUMBERS, min_size=1, max_size=12))
def test_a_spread_is_in_order(values: list[float]) -> None:
    it = spread(values)
    marks = [it.minimum, it.lower_quartile, it.median, it.upper_quartile, it.maximum]
    assert marks == sorted(marks)
    assert (it.n, it.minimum, it.maximum) == (len(values), min(values), max(values))
    if it.low is not None and it.high is not None:
        assert it.minimum <= it.low <= it.high <= it.maximum


def test_equal_configurations_seldom_differ_by_more_than_the_least_difference() -> None:
    rng = np.random.default_rng(0)
    false_leads = 0
    for _ in range(400):
        estimates = [estimate(list(rng.normal(0.0, 1.0, 3))) for _ in range(6)]
        needed = least_difference(estimates)
        assert needed is not None
        means = sorted(it.mean for it in estimates)
        false_leads += means[1] - means[0] > needed
    assert false_leads / 400 <= 0.05


def test_a_clear_lead_exceeds_the_least_difference() -> None:
    needed = least_difference([estimate([0.0, 0.1, 0.2]), estimate([5.0, 5.1, 5.2]), estimate([7.0, 7.1, 7.2])])
    assert needed is not None
    assert needed < 1.0


def test_the_best_of_more_must_lead_by_more() -> None:
    pair = [estimate([0.0, 0.1, 0.2]), estimate([5.0, 5.1, 5.2])]
    two, twenty = least_difference(pair), least_difference(pair * 10)
    assert two is not None
    assert twenty is not None
    assert twenty > 1.1 * two


@pytest.mark.parametrize("estimates", [[], [estimate([1.0, 2.0])], [estimate([1.0]), estimate([2.0])]])
def test_no_least_difference_without_rivals_or_repeats(estimates: list[Estimate]) -> None:
    assert least_difference(estimates) is None
