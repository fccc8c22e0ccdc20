r"""Up and down in straight lines, under a height that falls by the same share at every step.

.. math::
    factor(s) = low + (1 - low) \, height^{s / total}
    \left(1 - \left|\frac{2 c\, s}{total} \bmod 2 - 1\right|\right)

with c cycles. Reference: Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), section 3, who
calls it exp_range.
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.schedules.schedule import Numbers, Schedule, descend, progress
from tuner.schedules.shapes.triangular import CYCLES, LOW, wave


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The wave under its falling height."""
    done = progress(step, total)
    return descend(wave(h["cycles"] * done) * h["height"] ** done, h["low"])


schedule = Schedule(
    name="triangular-exp",
    page=__doc__,
    own={
        "cycles": CYCLES,
        "low": LOW,
        "height": Hyper(
            default=0.1,
            low=0,
            low_open=True,
            high=1,
            search=log(0.01, 1.0),
            doc="how high the waves still go at the end, over how high at the start",
        ),
    },
    shape=shape,
    ends=("low",),
)
