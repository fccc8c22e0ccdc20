r"""The steps that a Chebyshev polynomial asks for, in an order that keeps them stable.

With N the power of two at or above the total, and n = 1 .. N:

.. math::
    factor(s) = \frac{low}{\gamma_{\sigma_N(s + 1)}}, \qquad
    \gamma_n = \frac{1 + low}{2} - \frac{1 - low}{2} \cos\frac{(n - \frac12) \pi}{N}

    \sigma_1 = [1], \qquad \sigma_{2n} = interlace(\sigma_n, \, 2n + 1 - \sigma_n)

Large steps and small ones alternate at every scale: a fractal. The base rate belongs to the least curvature of the
loss, ``low`` is its ratio to the largest, so the smallest factor is about ``low``. The paper takes totals that are
powers of two; another total is the beginning of the next one. Reference: Agarwal, Goel and Zhang, "Acceleration via
Fractal Learning Rate Schedules" (ICML 2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.schedules.schedule import Numbers, Schedule


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The step size that the permutation puts here; the run's last factor stays."""
    mantissa, _ = torch.frexp(total)
    nodes = torch.where(mantissa == 0.5, total, total / mantissa)
    place = fractal(torch.minimum(step, total - 1.0), nodes)
    node = torch.cos(math.pi * (place + 0.5) / nodes)
    return h["low"] / ((1.0 + h["low"]) / 2.0 - (1.0 - h["low"]) / 2.0 * node)


def fractal(step: Tensor, nodes: Tensor) -> Tensor:
    """The place, counted from 0, that the permutation of ``nodes`` (a power of two) gives to a step.

    Bit by bit from the last: each bit of the step halves the places that are left, and a set one turns them round, so
    bit j of the place, from the first, is the parity of the last j + 1 bits of the step.
    """
    step, width = step.floor(), nodes / 2.0
    place = turned = torch.zeros_like(step)
    while (width >= 1.0).any():
        turned = (turned + step.remainder(2.0)).remainder(2.0)
        place = place + torch.where(width >= 1.0, turned * width, 0.0)
        step, width = (step / 2.0).floor(), width / 2.0
    return place


schedule = Schedule(
    name="chebyshev",
    page=__doc__,
    own={
        "low": Hyper(
            default=0.05,
            low=0,
            low_open=True,
            high=1,
            search=log(0.01, 0.5),
            doc="least curvature over the largest: about the smallest factor",
        )
    },
    shape=shape,
)
