r"""Ways from 0 to 1: how a rate is warmed up, cooled down, or let out at the tail of a schedule.

With x the share of the way that is done:

.. math::
    linear: x \qquad
    cosine: \tfrac12 (1 - \cos(\pi x)) \qquad
    exponential: \frac{100^x - 1}{99} \qquad
    1\text{-}sqrt: 1 - \sqrt{1 - x}

A fall is a ramp of what is left. References: the linear warmup of Goyal et al., "Accurate, Large Minibatch SGD:
Training ImageNet in 1 Hour" (2017), section 2.2; the 1-sqrt cooldown of Hägele et al., "Scaling Laws and
Compute-Optimal Training Beyond Fixed Training Durations" (NeurIPS 2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tuner.hyper import Hyper, choice

RAMPS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "cosine": lambda x: 0.5 * (1.0 - torch.cos(math.pi * x)),
    "exponential": lambda x: torch.expm1(math.log(100.0) * x) / 99.0,
    "1-sqrt": lambda x: 1.0 - torch.sqrt(1.0 - x),
}


def ramp(kind: Tensor, x: Tensor) -> Tensor:
    """The height in [0, 1] of the ramp whose place among RAMPS is ``kind``, at ``x`` in [0, 1]."""
    rises = list(RAMPS.values())
    heights = (torch.where(kind == place, rises[int(place)](x), 0.0) for place in set(kind.flatten().tolist()))
    return sum(heights, torch.zeros((), dtype=torch.float64))


def ramp_hyper(doc: str, *, searched: bool = False) -> Hyper:
    """A hyper that names a ramp; its number, for ``ramp``, is its place among them."""
    kinds = tuple(RAMPS)
    return Hyper(default=kinds[0], choices=kinds, search=choice(*kinds) if searched else None, doc=doc)
