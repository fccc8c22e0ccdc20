r"""A power of what is left of the run.

.. math:: factor(s) = final + (1 - final) (1 - s / total)^{power}

Reference: Chen et al., "DeepLab: Semantic Image Segmentation" (2016), section 4.1, with power 0.9.
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.schedules.schedule import FINAL, Numbers, Schedule, descend, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """What is left of the run, raised to the power."""
    return descend((1.0 - progress(step, total)) ** h["power"], h["final"])


schedule = Schedule(
    name="polynomial",
    page=__doc__,
    own={
        "power": Hyper(
            default=2.0,
            low=0,
            low_open=True,
            search=log(0.5, 4.0),
            doc="1 is a straight line; more falls faster at first",
        ),
        "final": FINAL,
    },
    shape=shape,
)
