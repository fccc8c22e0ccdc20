r"""The rate falls with the inverse of the step.

.. math:: factor(s) = \left(1 + \frac{s}{timescale \cdot total}\right)^{-1}

Reference: Robbins and Monro, "A Stochastic Approximation Method" (1951), whose conditions it meets; the form of Bottou,
"Stochastic Gradient Descent Tricks" (2012), section 5.2.
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.schedules.schedule import Numbers, Schedule, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The inverse."""
    return 1.0 / (1.0 + progress(step, total) / h["timescale"])


schedule = Schedule(
    name="inverse-time",
    page=__doc__,
    own={
        "timescale": Hyper(
            default=0.1,
            low=0,
            low_open=True,
            search=log(0.01, 1.0),
            doc="share of all steps after which the factor is 1/2",
        )
    },
    shape=shape,
)
