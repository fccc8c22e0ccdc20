r"""RMSProp with momentum on the scaled steps.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    v_t &= \alpha v_{t-1} + (1 - \alpha) g_t^2 \\
    x_t &= \mu x_{t-1} + \frac{g_t}{\sqrt{v_t} + \epsilon}, \qquad w_t = w_{t-1} - lr \, x_t

State: v, x, from 0 (and a, which the centred form needs). Steps together with ``rmsprop-centered``, of which it is the
form that takes nothing off. Reference: Tieleman and Hinton, "Lecture 6.5 - RMSProp" (Coursera, 2012), in torch's form.

>>> get_step("rmsprop-momentum", lr=0.1, alpha=0.75, grads=[4.0, -4.0])
[-0.2, 0.2]
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from tuner.optim.kernel import Coefficients
from tuner.optim.rule import Numbers, TorchEquivalent, kept
from tuner.optim.rules import rmsprop_centered as centered


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """Those of the centred form, with nothing taken off."""
    return {**centered.coefficients(h, t), "-e": torch.zeros_like(h["lr"])}


rule = dataclasses.replace(
    centered.rule,
    name="rmsprop-momentum",
    page=__doc__,
    coefficients=coefficients,
    torch_equivalent=TorchEquivalent(
        optimizer="RMSprop",
        arguments={"lr": "lr", "alpha": "alpha", "momentum": "momentum", "eps": "eps", "weight_decay": "l2"},
        state={"square_avg": kept("v")},
    ),
)
