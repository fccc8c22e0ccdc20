r"""Up to the base rate along half a cosine wave, then down along another to far below the start.

.. math::
    factor(s) = \begin{cases}
        start + (1 - start) \tfrac12 (1 - \cos(\pi s / P)) & s \le P \\
        final + (1 - final) \tfrac12 (1 + \cos(\pi (s - P) / (total - 1 - P))) & s > P
    \end{cases}

with the peak at :math:`P = peak \cdot total - 1`. Here the base rate is the largest; with ``peak_momentum`` the
momentum moves against it, along the same curve with start = final = 0. Reference: Smith and Topin, "Super-Convergence:
Very Fast Training of Neural Networks Using Large Learning Rates" (2018), in the two-phase form of torch's OneCycleLR
(start = 1/div_factor, final = start/final_div_factor).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log, uniform
from tuner.schedules.schedule import Numbers, Schedule, descend
from tuner.schedules.shapes.cosine import half_wave


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The rise, then the fall; the peak lies on both."""
    top = (h["peak"] * total - 1.0).clamp_min(0.0)
    last = total - 1.0
    rise = descend(1.0 - half_wave((step / top.clamp_min(1e-9)).clamp(0.0, 1.0)), h["start"])
    fall = descend(half_wave(((step - top) / (last - top).clamp_min(1e-9)).clamp(0.0, 1.0)), h["final"])
    return torch.where(step < top, rise, fall)


schedule = Schedule(
    name="one-cycle",
    page=__doc__,
    own={
        "peak": Hyper(
            default=0.3,
            low=0,
            high=1,
            search=uniform(0.1, 0.5),
            doc="share of all steps after which the rate is largest",
        ),
        "start": Hyper(default=0.04, low=0, high=1, search=log(0.01, 0.5), doc="factor at the first step"),
        "final": Hyper(default=4e-6, low=0, high=1, search=log(1e-6, 0.1), doc="factor at the last step"),
    },
    shape=shape,
    ends=("start", "final"),
)
