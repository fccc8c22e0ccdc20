r"""Half a cosine wave from the base rate down to its end: slow, fast, slow.

.. math:: factor(s) = final + (1 - final) \, \tfrac12 (1 + \cos(\pi s / total))

Reference: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (ICLR 2017), eq. 5, without
restarts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tuner.schedules.schedule import FINAL, Numbers, Schedule, descend, progress


def half_wave(part: Tensor) -> Tensor:
    """From 1 at part = 0 to 0 at part = 1."""
    return 0.5 * (1.0 + torch.cos(math.pi * part))


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """Half a wave over the run."""
    return descend(half_wave(progress(step, total)), h["final"])


schedule = Schedule(
    name="cosine",
    page=__doc__,
    own={"final": FINAL},
    shape=shape,
)
