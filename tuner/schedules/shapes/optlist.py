r"""The schedule of the Learned Optimizer List: hold the base rate, then half a cosine wave down.

With T the total, C = constant_fraction T, and s no later than T:

.. math::
    factor(s) = \begin{cases}
        s \, / \, W & s < W \\
        min + (1 - min) \tfrac12 \left(1 + \cos\left(\pi \frac{\max(s, C) - C}{T - C}\right)\right) & s \ge W
    \end{cases}
    \qquad W = \begin{cases}
        \max(warmup\_fraction, constant\_fraction) \, T & warmup\_fraction > 0 \\
        0 & warmup\_fraction = 0
    \end{cases}

The published ports disagree on where the warmup ends: this is the torch and JAX ports' maximum, under which a warmup
fills the whole hold and the first step has rate 0; the TensorFlow port takes the minimum. Reference: Metz et al.,
"Using a thousand optimization tasks to learn hyperparameter search strategies" (2020), and its package opt_list.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, uniform
from tuner.schedules.schedule import Numbers, Schedule, descend
from tuner.schedules.shapes.cosine import half_wave


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The warmup where there is one, else the hold and the wave."""
    step = torch.minimum(step, total)
    hold = h["constant_fraction"] * total
    wave = half_wave((step - hold).clamp_min(0.0) / (total - hold).clamp_min(1e-9))
    risen = torch.maximum(h["warmup_fraction"], h["constant_fraction"]) * total
    rising = (h["warmup_fraction"] > 0) & (step < risen)
    return torch.where(rising, step / risen.clamp_min(1e-9), descend(wave, h["min_learning_rate_mult"]))


schedule = Schedule(
    name="optlist",
    page=__doc__,
    own={
        "constant_fraction": Hyper(
            default=0.5, low=0, high=1, search=uniform(0.0, 0.9), doc="share of all steps before the wave"
        ),
        "warmup_fraction": Hyper(
            default=0.0, low=0, high=1, doc="0: no warmup; else it ends with the hold, or after this share where longer"
        ),
        "min_learning_rate_mult": Hyper(
            default=0.0, low=0, high=1, search=uniform(0.0, 0.1), doc="factor that is left at the end"
        ),
    },
    shape=shape,
)
