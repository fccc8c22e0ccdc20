"""A distribution of the space in the other forms that searching needs: Optuna's, a draw's, and a point on [0, 1]."""

from __future__ import annotations

import math
from functools import singledispatch

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.space import Choice, Int, Log, Normal, Range, Uniform
from tuner.trial import Value

# Optuna knows no normal distribution: it is told the quantile, in steps so small that a value says which one it was.
QUANTILES = 2**16


@singledispatch
def to_optuna(distribution: object) -> BaseDistribution:
    """The same distribution as Optuna writes it."""
    raise NotImplementedError(f"no Optuna form of {distribution!r}")


@singledispatch
def optuna_value(distribution: object, value: Value) -> Value:  # noqa: ARG001
    """What stands for the parameter's ``value`` in Optuna."""
    return value


@singledispatch
def value_from_optuna(distribution: object, value: Value) -> Value:  # noqa: ARG001
    """The parameter's value that Optuna's ``value`` stands for."""
    return value


@singledispatch
def quantile(distribution: object, share: float) -> Value:
    """The value below which ``share`` of the distribution lies, 0 <= share < 1; uniform shares give its draws."""
    raise NotImplementedError(f"no quantiles of {distribution!r}")


@singledispatch
def feature(distribution: object) -> BaseDistribution:
    """How a regression shall see the parameter: a range as [0, 1] in its search scale, choices as they are."""
    raise NotImplementedError(f"no feature for {distribution!r}")


@singledispatch
def feature_value(distribution: object, value: Value) -> Value:
    """``value`` in the form of ``feature``."""
    raise NotImplementedError(f"no feature for {distribution!r}")


@to_optuna.register
def _(distribution: Uniform) -> BaseDistribution:
    return FloatDistribution(distribution.low, distribution.high, step=distribution.step)


@to_optuna.register
def _(distribution: Log) -> BaseDistribution:
    return FloatDistribution(distribution.low, distribution.high, log=True)


@to_optuna.register
def _(distribution: Int) -> BaseDistribution:
    return IntDistribution(distribution.low, distribution.high, log=distribution.log, step=distribution.step)


@to_optuna.register
def _(distribution: Normal) -> BaseDistribution:  # noqa: ARG001
    return FloatDistribution(0.0, 1.0, step=1 / QUANTILES)


@optuna_value.register
def _(distribution: Normal, value: float) -> Value:
    return round(min(1.0, max(0.0, distribution.part(value))) * QUANTILES) / QUANTILES


@value_from_optuna.register
def _(distribution: Normal, value: float) -> Value:
    return distribution.at(value)


@to_optuna.register
@feature.register
def _(distribution: Choice) -> BaseDistribution:
    return CategoricalDistribution(distribution.values)


@feature.register
def _(distribution: Range) -> BaseDistribution:  # noqa: ARG001
    return FloatDistribution(0.0, 1.0)


@feature_value.register
def _(distribution: Choice, value: Value) -> Value:  # noqa: ARG001
    return value


@feature_value.register
def _(distribution: Range, value: float) -> Value:
    return min(1.0, max(0.0, distribution.part(value)))


@quantile.register
def _(distribution: Choice, share: float) -> Value:
    return distribution.values[math.floor(share * len(distribution.values))]


@quantile.register
def _(distribution: Normal, share: float) -> Value:
    return distribution.at(share)


@quantile.register
def _(distribution: Log, share: float) -> Value:
    return min(distribution.high, max(distribution.low, distribution.at(share)))


@quantile.register
def _(distribution: Uniform, share: float) -> Value:
    if distribution.step is None:
        return min(distribution.high, distribution.at(share))
    return _nth(distribution, share, distribution.step)


@quantile.register
def _(distribution: Int, share: float) -> Value:
    if not distribution.log:
        return _nth(distribution, share, distribution.step)
    # Each whole number has the half unit on either side of it, as in Optuna.
    low, high = math.log(distribution.low - 0.5), math.log(distribution.high + 0.5)
    return min(distribution.high, max(distribution.low, round(math.exp(low + share * (high - low)))))


def _nth(distribution: Range, share: float, step: float) -> float:
    """The value at a share of the range's steps, both ends as likely as the rest."""
    steps = round((distribution.high - distribution.low) / step)
    return distribution.at(math.floor(share * (steps + 1)) / steps)
