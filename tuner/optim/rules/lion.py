r"""The sign of a blend of momentum and gradient: every parameter moves by the same length.

.. math::
    u_t &= \operatorname{sign}(\beta_1 m_{t-1} + (1 - \beta_1) g_t) \\
    m_t &= \beta_2 m_{t-1} + (1 - \beta_2) g_t \\
    w_t &= (1 - lr \, \lambda) w_{t-1} - lr \, u_t

Told by the new momentum the blend is :math:`r m_t + (1 - r) g_t` with :math:`r = \beta_1 / \beta_2`. State: m.
Reference: Chen et al., "Symbolic Discovery of Optimization Algorithms" (NeurIPS 2023), program 1.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from tuner.optim.hypers import beta, learning_rate, weight_decay
from tuner.optim.kernel import SIGN, Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The blend in terms of the new momentum, then its sign."""
    share = h["beta1"] / h["beta2"]
    return two_moment(
        lr=h["lr"], decay=h["weight_decay"], a1=h["beta2"], a2=1.0 - h["beta2"], n1=share, n2=1.0 - share, **SIGN
    )


rule = Rule(
    name="lion",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-4, 1e-6, 1e-2),
        "beta1": beta(0.9, "share of the momentum in the blend", 1e-2, 0.5),
        "beta2": replace(beta(0.99, "decay rate of the momentum", 1e-3, 0.2), low_open=True),
        "weight_decay": weight_decay(0.0),
    },
    coefficients=coefficients,
)
