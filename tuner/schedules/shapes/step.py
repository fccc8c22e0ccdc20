r"""The rate is cut by the same factor every so many steps.

.. math:: factor(s) = \gamma^{\lfloor s / S \rfloor}, \qquad S = round(every \cdot total)

Reference: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), section 3.4, who divide by 10.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log, uniform
from tuner.schedules.schedule import Numbers, Schedule


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """One more factor gamma for each period that is over; the run's last factor stays."""
    period = torch.round(h["every"] * total).clamp_min(1.0)
    return h["gamma"] ** torch.floor(torch.minimum(step, total - 1.0) / period)


schedule = Schedule(
    name="step",
    page=__doc__,
    own={
        "every": Hyper(
            default=0.3,
            low=0,
            low_open=True,
            high=1,
            search=uniform(0.1, 0.5),
            doc="share of all steps between two cuts",
        ),
        "gamma": Hyper(default=0.1, low=0, low_open=True, high=1, search=log(0.05, 0.9), doc="factor of each cut"),
    },
    shape=shape,
)
