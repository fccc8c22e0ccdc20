r"""Cosine waves down, again and again, each as long as the last one times a factor.

.. math::
    factor(s) = final + (1 - final) \, peaks^i \, \tfrac12 (1 + \cos(\pi \, (s - s_i) / T_i)), \qquad
    T_i = T_0 \cdot multiplier^i, \quad s_i = \sum_{j < i} T_j, \quad T_0 = round(period \cdot total)

where i is the wave that s lies in. Reference: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm
Restarts" (ICLR 2017), eq. 5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, choice, uniform
from tuner.schedules.schedule import FINAL, Numbers, Schedule, descend
from tuner.schedules.shapes.cosine import half_wave


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """Half a wave over the current period; after the run the last factor stays."""
    step = torch.minimum(step, total - 1.0)
    first = torch.round(h["period"] * total).clamp_min(1.0)
    growth = h["multiplier"] - 1.0
    waves = torch.floor(step / first)
    # The i-th wave starts after first * (multiplier**i - 1) / growth steps. Solved for i; half a step keeps rounding
    # from putting the first step of a wave into the one before.
    grown = torch.floor(torch.log1p((step + 0.5) * growth / first) / torch.log(h["multiplier"]))
    wave = torch.where(growth == 0, waves, grown)
    length = first * h["multiplier"] ** wave
    start = torch.where(growth == 0, waves * first, (length - first) / growth)
    return descend(h["peaks"] ** wave * half_wave((step - start) / length), h["final"])


schedule = Schedule(
    name="cosine-restarts",
    page=__doc__,
    own={
        "period": Hyper(
            default=0.25,
            low=0,
            low_open=True,
            high=1,
            search=uniform(0.1, 0.5),
            doc="share of all steps that the first wave takes",
        ),
        "multiplier": Hyper(
            default=1,
            low=1,
            high=16,
            integer=True,
            search=choice(1, 2),
            doc="length of each wave over that of the last",
        ),
        "peaks": Hyper(default=1.0, low=0, low_open=True, high=1, doc="height of each wave over that of the last"),
        "final": FINAL,
    },
    shape=shape,
)
