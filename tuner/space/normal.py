r"""A number drawn from a normal distribution, or ten to the power of one, as published priors of learning rates are.

.. math:: x \sim \mathcal{N}(mean, sd^2) \text{ within } mean \pm 4 \, sd, \qquad value = x \text{ or } 10^x

The 0.006 % of draws beyond four standard deviations are left out, so that every value lies between two ends.
"""

# ruff: noqa: D102  (Distribution and Range say what each method means, for all that have it)

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from tuner.errors import SpecError
from tuner.space.distributions import Range, is_number
from tuner.space.problems import brief
from tuner.trial import Value

REACH = 4.0
_STANDARD = NormalDist()
_BELOW = _STANDARD.cdf(-REACH)
# Beyond these powers of ten a float64 is zero or infinite.
LOWEST_POWER, HIGHEST_POWER = -307.0, 308.0


@dataclass(frozen=True)
class Normal(Range):
    """Mean ``mean`` and standard deviation ``sd`` of the number, or with ``log10`` of its logarithm to base ten.

    A part of the range is a quantile: half of all draws lie below ``at(0.5)``. A grid takes the middles of equally
    likely pieces, never the far ends.
    """

    mean: float
    sd: float
    log10: bool = False

    def __post_init__(self) -> None:
        if not (is_number(self.mean) and is_number(self.sd)):
            raise SpecError(f"expected two finite numbers, got [{brief(self.mean)}, {brief(self.sd)}]")
        if self.sd <= 0:
            raise SpecError(f"expected a standard deviation > 0, got {brief(self.sd)}")
        if not isinstance(self.log10, bool):
            raise SpecError(f"expected log10: true or false, got {brief(self.log10)}")
        object.__setattr__(self, "mean", float(self.mean))
        object.__setattr__(self, "sd", float(self.sd))
        ends = self.mean - REACH * self.sd, self.mean + REACH * self.sd
        if not 0 < ends[1] - ends[0] < math.inf:
            raise SpecError(f"expected a range of finite length, got {ends[0]:g} to {ends[1]:g}")
        if self.log10 and not LOWEST_POWER <= ends[0] <= ends[1] <= HIGHEST_POWER:
            raise SpecError(
                f"expected powers of ten in [{LOWEST_POWER:g}, {HIGHEST_POWER:g}], got {ends[0]:g} to {ends[1]:g}"
            )

    @property
    def low(self) -> float:  # type: ignore[override]  # computed, where other ranges have it written
        """The value four standard deviations below the mean."""
        return self._value(-REACH)

    @property
    def high(self) -> float:  # type: ignore[override]
        """The value four standard deviations above the mean."""
        return self._value(REACH)

    def at(self, part: float) -> float:
        share = _BELOW + min(1.0, max(0.0, part)) * (1.0 - 2.0 * _BELOW)
        return self._value(min(REACH, max(-REACH, _STANDARD.inv_cdf(share))))

    def part(self, value: float) -> float:
        number = (math.log10(value) if value > 0 else -math.inf) if self.log10 else value
        return (_STANDARD.cdf((number - self.mean) / self.sd) - _BELOW) / (1.0 - 2.0 * _BELOW)

    def points(self, count: int) -> tuple[Value, ...]:
        return tuple(dict.fromkeys(self.at((n + 0.5) / count) for n in range(count)))

    def form(self) -> dict[str, object]:
        return {"normal": [self.mean, self.sd]} | ({"log10": True} if self.log10 else {})

    def _value(self, deviations: float) -> float:
        number = self.mean + deviations * self.sd
        return 10.0**number if self.log10 else number
