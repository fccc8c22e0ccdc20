r"""Up and down in straight lines, again and again, between a low rate and the base rate.

.. math:: factor(s) = low + (1 - low) \left(1 - \left|\frac{2 c\, s}{total} \bmod 2 - 1\right|\right)

with c cycles. Reference: Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, integer, log
from tuner.schedules.schedule import Numbers, Schedule, descend, progress

CYCLES = Hyper(default=4, low=1, integer=True, search=integer(1, 10), doc="times up and down in a run")
LOW = Hyper(default=0.1, low=0, high=1, search=log(0.01, 0.5), doc="factor at the low points")


def wave(cycles: Tensor) -> Tensor:
    """The distance from the nearest low point, 1 in the middle of a cycle, after so many ``cycles``."""
    return 1.0 - (torch.remainder(2.0 * cycles, 2.0) - 1.0).abs()


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The wave above the low rate."""
    return descend(wave(h["cycles"] * progress(step, total)), h["low"])


schedule = Schedule(
    name="triangular",
    page=__doc__,
    own={"cycles": CYCLES, "low": LOW},
    shape=shape,
    ends=("low",),
)
