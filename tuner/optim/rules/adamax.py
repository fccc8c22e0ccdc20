r"""Adam with the largest recent gradient in the place of the root mean square.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad u_t = \max(\beta_2 u_{t-1}, |g_t| + \epsilon) \\
    w_t &= w_{t-1} - \frac{lr}{1 - \beta_1^t} \, \frac{m_t}{u_t}

State: m, u. Reference: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015), algorithm 2, in torch's
form (with ε).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import BETA1, BETA2, L2, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, State, power_gap
from tuner.optim.rule import Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The hypers, the correction being taken out of m."""
    return {
        "-rate": -h["lr"] / power_gap(h["beta1"], t),
        "beta1": h["beta1"],
        "1-beta1": 1.0 - h["beta1"],
        "beta2": h["beta2"],
        "eps": h["eps"],
        "l2": h["l2"],
    }


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    return {name: torch.zeros_like(params) for name in ("m", "u")}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    m, u = state["m"], state["u"]
    g = torch.addcmul(grads, params, c["l2"])
    m.mul_(c["beta1"]).addcmul_(g, c["1-beta1"])
    torch.maximum(u.mul_(c["beta2"]), g.abs_().add_(c["eps"]), out=u)
    params.addcdiv_(m * c["-rate"], u)


rule = Rule(
    name="adamax",
    page=__doc__,
    hypers={
        "lr": learning_rate(2e-3, 1e-5, 1e-1),
        "beta1": BETA1,
        "beta2": BETA2,
        "eps": epsilon(1e-8),
        "l2": L2,
    },
    coefficients=coefficients,
    init=init,
    update=update,
    torch_equivalent=TorchEquivalent(
        optimizer="Adamax",
        arguments={"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps", "weight_decay": "l2"},
        state={"exp_avg": kept("m"), "exp_inf": kept("u")},
    ),
)
