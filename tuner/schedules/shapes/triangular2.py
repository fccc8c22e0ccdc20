r"""Up and down in straight lines, each time half as far up.

.. math::
    factor(s) = low + (1 - low) \, 2^{-\lfloor c\, s / total \rfloor}
    \left(1 - \left|\frac{2 c\, s}{total} \bmod 2 - 1\right|\right)

with c cycles. Reference: Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.schedules.schedule import Numbers, Schedule, descend, progress
from tuner.schedules.shapes.triangular import CYCLES, LOW, wave


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The wave, halved for each cycle that is over."""
    cycles = h["cycles"] * progress(step, total)
    return descend(wave(cycles) * torch.exp2(-cycles.floor()), h["low"])


schedule = Schedule(
    name="triangular2",
    page=__doc__,
    own={"cycles": CYCLES, "low": LOW},
    shape=shape,
    ends=("low",),
)
