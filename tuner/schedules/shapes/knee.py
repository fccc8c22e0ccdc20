r"""Explore at the base rate, then exploit: a straight line down to nothing.

.. math:: factor(s) = \min\left(1, \frac{1 - s / total}{1 - explore}\right)

It is ``wsd`` with a linear tail, told by how long it explores. Reference: Iyer et al., "Wide-minima Density Hypothesis
and the Explore-Exploit Learning Rate Schedule" (2020).
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper, uniform
from tuner.schedules.schedule import Numbers, Schedule, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The line, cut off at the base rate."""
    return ((1.0 - progress(step, total)) / (1.0 - h["explore"])).clamp_max(1.0)


schedule = Schedule(
    name="knee",
    page=__doc__,
    own={
        "explore": Hyper(
            default=0.5,
            low=0,
            high=1,
            high_open=True,
            search=uniform(0.1, 0.8),
            doc="share of all steps at the base rate",
        )
    },
    shape=shape,
)
