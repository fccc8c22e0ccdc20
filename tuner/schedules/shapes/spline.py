r"""A smooth fall through four heights that are free: the shape itself is searched.

The factor is 1 at the start and :math:`h_i = k_1 \cdots k_i` after i quarters of the run. Between them it is the cubic
with those heights and the slopes

.. math::
    d_i = \frac{2 \delta_{i-1} \delta_i}{\delta_{i-1} + \delta_i}, \qquad \delta_i = h_{i+1} - h_i

(0 where a neighbour is flat), and at the two ends :math:`\min(0, (3 \delta_0 - \delta_1) / 2)` and its mirror image. So
it never rises and never leaves its heights. Reference: Fritsch and Butland, "A Method for Constructing Local Monotone
Piecewise Cubic Interpolants" (SIAM Journal on Scientific and Statistical Computing, 1984), with the ends that SciPy's
PchipInterpolator has.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from tuner.hyper import Hyper, uniform
from tuner.schedules.schedule import Numbers, Schedule, progress

KNOTS = ("k1", "k2", "k3", "k4")


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The cubic of the quarter that the step lies in."""
    at = len(KNOTS) * progress(step, total)
    heights = [torch.ones((), dtype=torch.float64)]
    for name in KNOTS:
        heights.append(heights[-1] * h[name])
    slopes = _slopes([after - before for before, after in pairwise(heights)])
    quarter = at.floor().clamp_max(len(KNOTS) - 1.0)
    pieces = (
        torch.where(quarter == i, _cubic(at - i, heights[i], heights[i + 1], slopes[i], slopes[i + 1]), 0.0)
        for i in range(len(KNOTS))
    )
    return sum(pieces, torch.zeros((), dtype=torch.float64))


def _slopes(rises: list[Tensor]) -> list[Tensor]:
    """At every knot, from how much the height changes between them: never positive."""
    inner = [2.0 * a * b / torch.where(a * b > 0, a + b, 1.0) for a, b in pairwise(rises)]
    first = ((3.0 * rises[0] - rises[1]) / 2.0).clamp_max(0.0)
    last = ((3.0 * rises[-1] - rises[-2]) / 2.0).clamp_max(0.0)
    return [first, *inner, last]


def _cubic(x: Tensor, start: Tensor, end: Tensor, slope_start: Tensor, slope_end: Tensor) -> Tensor:
    """Hermite's cubic over [0, 1]."""
    back = 1.0 - x
    return (
        start * (1.0 + 2.0 * x) * back**2
        + end * (3.0 - 2.0 * x) * x**2
        + slope_start * x * back**2
        - slope_end * x**2 * back
    )


schedule = Schedule(
    name="spline",
    page=__doc__,
    own={
        name: Hyper(
            default=0.5,
            low=0,
            high=1,
            search=uniform(0.0, 1.0),
            doc=f"height after {quarter} of the run over the one a quarter before",
        )
        for name, quarter in zip(KNOTS, ("a quarter", "half", "three quarters", "all"), strict=True)
    },
    shape=shape,
)
