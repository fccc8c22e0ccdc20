r"""The rate falls with the root of the step.

.. math:: factor(s) = \left(1 + \frac{s}{timescale \cdot total}\right)^{-1/2}

Reference: Vaswani et al., "Attention Is All You Need" (NeurIPS 2017), eq. 3; the form with a time scale of Zhai et al.,
"Scaling Vision Transformers" (CVPR 2022), section 3.5.
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.schedules.schedule import Numbers, Schedule, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The root of the inverse."""
    return (1.0 + progress(step, total) / h["timescale"]) ** -0.5


schedule = Schedule(
    name="inverse-sqrt",
    page=__doc__,
    own={
        "timescale": Hyper(
            default=0.1,
            low=0,
            low_open=True,
            search=log(0.01, 1.0),
            doc="share of all steps after which the factor is 0.71",
        )
    },
    shape=shape,
)
