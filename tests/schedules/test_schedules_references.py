"""Whole runs against each paper's own equations, in numpy, where torch does not have the schedule."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from tuner import schedules

SHARES = st.floats(0.0, 1.0, allow_subnormal=False).filter(lambda x: x == 0 or x > 1e-9)
TOTALS = st.integers(1, 200)
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)


def fractal(nodes: int) -> list[int]:
    """The permutation of 1 .. nodes, built as it is defined: by interlacing."""
    order = [1]
    while len(order) < nodes:
        order = [place for one in order for place in (one, 2 * len(order) + 1 - one)]
    return order


@pytest.mark.parametrize("total", [1, 2, 3, 8, 21, 64, 65, 1000])
@pytest.mark.parametrize("low", [0.02, 0.5, 1.0])
def test_chebyshev_takes_the_inverse_nodes_in_fractal_order(total: int, low: float) -> None:
    nodes = 1
    while nodes < total:
        nodes *= 2
    n = np.array(fractal(nodes)[:total])
    gamma = (1 + low) / 2 - (1 - low) / 2 * np.cos((n - 0.5) * np.pi / nodes)
    assert schedules.as_table("chebyshev", total, low=low) == pytest.approx(low / gamma, rel=1e-10)


@pytest.mark.parametrize("exponent", range(60))
def test_chebyshev_finds_the_power_of_two_of_any_length(exponent: int) -> None:
    total = 2.0**exponent
    whole = schedules.get("chebyshev")(0, total, low=0.1)
    last = 0.1 / (0.55 - 0.45 * math.cos(0.5 * math.pi / total))
    assert whole == pytest.approx(last, rel=1e-12)


@pytest.mark.parametrize("total", [8, 32])
def test_chebyshev_contracts_a_quadratic_as_its_polynomial_does(total: int) -> None:
    low = 0.05
    rates = np.array(schedules.as_table("chebyshev", total, low=low)) / low
    curvatures = np.linspace(low, 1.0, 2001)
    contraction = np.abs(np.prod(1 - rates[:, None] * curvatures, axis=0)).max()
    assert contraction == pytest.approx(1 / math.cosh(total * math.acosh((1 + low) / (1 - low))), rel=1e-9)


@PROPERTY
@given(constant=SHARES, warmup=st.just(0.0) | SHARES, least=SHARES, total=TOTALS)
def test_optlist_is_the_published_schedule(constant: float, warmup: float, least: float, total: int) -> None:
    hold = constant * total
    expected = []
    for step in range(total + 1):
        if warmup > 0 and step < max(warmup, constant) * total:
            expected.append(step / (max(warmup, constant) * total))
        elif step <= hold:
            expected.append(1.0)
        else:
            expected.append(least + (1 - least) * (0.5 + math.cos(math.pi * (step - hold) / (total - hold)) / 2))
    ours = schedules.get("optlist")(
        torch.arange(total + 1), total, constant_fraction=constant, warmup_fraction=warmup, min_learning_rate_mult=least
    )
    assert ours.tolist() == pytest.approx(expected, rel=1e-10, abs=1e-12)


@PROPERTY
@given(k=st.tuples(SHARES, SHARES, SHARES, SHARES), total=TOTALS)
def test_spline_is_scipys_monotone_cubic(k: tuple[float, ...], total: int) -> None:
    heights = np.cumprod([1.0, *k])
    expected = PchipInterpolator(np.arange(5), heights)(4 * np.arange(total + 1) / total)
    ours = schedules.get("spline")(
        torch.arange(total + 1), total, **dict(zip(("k1", "k2", "k3", "k4"), k, strict=True))
    )
    assert ours.tolist() == pytest.approx(expected, rel=1e-10, abs=1e-12)
    assert (ours.diff() <= 1e-15).all()


def test_spline_of_equal_quarters_of_nothing_lost_is_constant() -> None:
    assert schedules.as_table("spline", 7, k1=1.0, k2=1.0, k3=1.0, k4=1.0) == [1.0] * 7


def test_tanh_is_the_published_decay() -> None:
    done = np.arange(101) / 100
    expected = 0.5 * (1 - np.tanh(-4 + (2.5 + 4) * done))
    ours = schedules.get("tanh")(torch.arange(101), 100, lower=-4.0, upper=2.5)
    assert ours.tolist() == pytest.approx(expected, rel=1e-10)


def test_knee_explores_then_falls_in_a_line() -> None:
    steps = np.arange(200)
    expected = np.where(steps < 120, 1.0, 1 - (steps - 120) / 80)
    assert schedules.as_table("knee", 200, explore=0.6) == pytest.approx(expected, rel=1e-10)


TAILS = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + np.cos(np.pi * done)) / 2,
    "exponential": lambda done: (100 ** (1 - done) - 1) / 99,
    "1-sqrt": lambda done: 1 - np.sqrt(done),
}


@pytest.mark.parametrize("tail", schedules.get("wsd").hypers["tail"].choices)
def test_wsd_stays_then_falls_along_its_tail(tail: str) -> None:
    done = np.clip((np.arange(200) - 150) / 50, 0, 1)
    expected = 0.1 + 0.9 * TAILS[tail](done)
    assert schedules.as_table("wsd", 200, decay=0.25, tail=tail, final=0.1) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("multiplier", "lengths"), [(1, [20] * 5), (2, [20, 40, 80])])
def test_restarts_decay_their_peaks(multiplier: int, lengths: list[int]) -> None:
    waves = [0.7**i * (1 + np.cos(np.pi * np.arange(n) / n)) / 2 for i, n in enumerate(lengths)]
    ours = schedules.as_table("cosine-restarts", 100, period=0.2, multiplier=multiplier, peaks=0.7, final=0.05)
    assert ours == pytest.approx((0.05 + 0.95 * np.concatenate(waves))[:100], rel=1e-10)
