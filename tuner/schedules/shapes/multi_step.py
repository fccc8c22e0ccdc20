r"""The rate is cut by the same factor at each of three points of the run.

.. math:: factor(s) = \gamma^{\#\{m \in \{first, second, third\} : s \ge round(m \cdot total)\}}

A point at 1 is never reached, so the default cuts twice. Reference: He et al., "Deep Residual Learning for Image
Recognition" (CVPR 2016), section 4.2, who divide by 10 after a half and after three quarters of the run.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log, uniform
from tuner.schedules.schedule import Numbers, Schedule


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """One factor gamma for each point that is past; the run's last factor stays."""
    step = torch.minimum(step, total - 1.0)
    cuts = sum((step >= torch.round(h[name] * total)).double() for name in ("first", "second", "third"))
    return h["gamma"] ** cuts


schedule = Schedule(
    name="multi-step",
    page=__doc__,
    own={
        "first": Hyper(default=0.5, low=0, high=1, search=uniform(0.2, 0.6), doc="share of all steps before one cut"),
        "second": Hyper(default=0.75, low=0, high=1, search=uniform(0.6, 0.9), doc="the same of another cut"),
        "third": Hyper(default=1.0, low=0, high=1, doc="the same of another cut; 1 is none"),
        "gamma": Hyper(default=0.1, low=0, low_open=True, high=1, search=log(0.05, 0.9), doc="factor of each cut"),
    },
    shape=shape,
)
