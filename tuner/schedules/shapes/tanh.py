r"""Down along a hyperbolic tangent: flat, steep, flat, with ends that may lie apart.

.. math:: factor(s) = \tfrac12 \left(1 - \tanh\left(lower + (upper - lower) \frac{s}{total}\right)\right)

Reference: Hsueh, Li and Wu, "Stochastic Gradient Descent with Hyperbolic-Tangent Decay on Classification" (WACV 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, uniform
from tuner.schedules.schedule import Numbers, Schedule, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The tangent between its two ends."""
    return 0.5 * (1.0 - torch.tanh(torch.lerp(h["lower"], h["upper"], progress(step, total))))


schedule = Schedule(
    name="tanh",
    page=__doc__,
    own={
        "lower": Hyper(
            default=-6.0,
            low=-20,
            high=0,
            search=uniform(-8.0, -2.0),
            doc="the tangent's argument at the start: lower stays longer at the base rate",
        ),
        "upper": Hyper(
            default=3.0,
            low=0,
            high=20,
            search=uniform(1.0, 5.0),
            doc="its argument at the end: higher ends nearer to 0",
        ),
    },
    shape=shape,
)
