r"""Always the base rate.

.. math:: factor(s) = 1
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.schedules.schedule import Numbers, Schedule


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:  # noqa: ARG001 - it has none
    """1 at every step."""
    return torch.ones_like(step / total)


schedule = Schedule(
    name="constant",
    page=__doc__,
    own={},
    shape=shape,
)
