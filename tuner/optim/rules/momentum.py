r"""SGD with heavy-ball momentum in torch's form: directions pile up, so a steady slope is descended ever faster.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    m_1 &= g_1, \qquad m_t = \mu m_{t-1} + (1 - \tau) g_t \\
    w_t &= w_{t-1} - lr \, m_t

with momentum μ and dampening τ. At τ = 0 the effective rate is lr / (1 - μ). State: m. Reference: Polyak, "Some methods
of speeding up the convergence of iteration methods" (1964). Sutskever et al. (ICML 2013) keep the rate inside m, which
differs where a schedule moves it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import DAMPENING, L2, MOMENTUM, learning_rate
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The piled-up direction, which starts at the first gradient undampened."""
    fresh = torch.where(t == 1, 1.0, 1.0 - h["dampening"])
    return two_moment(lr=h["lr"], l2=h["l2"], a1=h["momentum"], a2=fresh, n1=1.0)


rule = Rule(
    name="momentum",
    page=__doc__,
    hypers={"lr": learning_rate(0.01, 1e-4, 1.0), "momentum": MOMENTUM, "dampening": DAMPENING, "l2": L2},
    coefficients=coefficients,
    torch_equivalent=TorchEquivalent(
        optimizer="SGD",
        arguments={"lr": "lr", "momentum": "momentum", "dampening": "dampening", "weight_decay": "l2"},
        state={"momentum_buffer": kept("m")},
    ),
)
