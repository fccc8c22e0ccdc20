"""Numbers with their uncertainty: the mean over repeats, the spread of a group, the noise between seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over ``n`` repeats. ``sd`` (n - 1 in the denominator) and the 95 % interval are None for one repeat."""

    mean: float
    n: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a group's values lie. ``low`` and ``high`` bound the median at 95 % (bootstrap), None under five values."""

    n: int
    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float
    low: float | None
    high: float | None


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, standard deviation and Student's t interval of one or more values of one configuration."""
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean=mean, n=1)
    from scipy import special  # noqa: PLC0415 - as long to import as all else that `tuner best` needs

    sd = float(np.std(values, ddof=1))
    half = float(special.stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * sd / math.sqrt(n)
    return Estimate(mean=mean, n=n, sd=sd, low=mean - half, high=mean + half)


def spread(values: Sequence[float]) -> Spread:
    """Range, quartiles and the median's bootstrap interval of one or more values."""
    minimum, lower, median, upper, maximum = (float(q) for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    low, high = median_interval(values)
    return Spread(
        n=len(values),
        minimum=minimum,
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        maximum=maximum,
        low=low,
        high=high,
    )


def median_interval(values: Sequence[float]) -> tuple[float, float] | tuple[None, None]:
    """The 95 % percentile-bootstrap interval of the median (Efron and Tibshirani, 1993, ch. 13).

    What endless resampling would come to: a resample's median is at most the j-th value where at least half of its n
    draws are among the first j, which a binomial distribution tells. Of an even number of values, the interval holds
    both middle ones. (None, None) under five values: resampling so few says nothing about values that were not drawn.
    """
    n = len(values)
    if n < 5:
        return None, None
    from scipy import special  # noqa: PLC0415

    ordered, tail = np.sort(values), (1 - CONFIDENCE) / 2
    lower, upper = (special.betainc(half, n - half + 1, np.arange(1, n + 1) / n) for half in ((n + 1) // 2, n // 2 + 1))
    return float(ordered[np.searchsorted(lower, tail)]), float(ordered[np.searchsorted(upper, 1 - tail)])


def least_difference(estimates: Sequence[Estimate]) -> float | None:
    """By how much the best of these configurations must lead another one for the lead to exceed the noise of seeds.

    The seeds' variance is pooled over the configurations; the bound is a one-sided t bound at 95 %, divided by
    Bonferroni over the best one's rivals, since the best was picked among them. The fewest repeats of any of them
    count. None without two configurations, or where no configuration has repeats.
    """
    repeated = [e for e in estimates if e.sd is not None]
    if len(estimates) < 2 or not repeated:
        return None
    from scipy import special  # noqa: PLC0415

    freedom = sum(e.n - 1 for e in repeated)
    variance = sum((e.n - 1) * e.sd**2 for e in repeated if e.sd is not None) / freedom
    quantile = float(special.stdtrit(freedom, 1 - (1 - CONFIDENCE) / (len(estimates) - 1)))
    return quantile * math.sqrt(2 * variance / min(e.n for e in estimates))
