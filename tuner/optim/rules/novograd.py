r"""Momentum of gradients that are normalized tensor by tensor, by a moving average of their squared norm.

.. math::
    v_1 &= \lVert g_1 \rVert_2^2, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) \lVert g_t \rVert_2^2
        \quad\text{for each tensor} \\
    m_t &= \beta_1 m_{t-1} + \frac{g_t}{\sqrt{v_t} + \epsilon} + \lambda w_{t-1} \\
    w_t &= w_{t-1} - lr \, m_t

State: m, and v with one number a tensor. Reference: Ginsburg et al., "Stochastic Gradient Methods with Layer-wise
Adaptive Moments for Training of Deep Networks" (2019), algorithm 1, with ε in the first step too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.optim.hypers import beta, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, State
from tuner.optim.layout import Layout
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The hypers; the average starts at the first norm."""
    return {
        "-lr": -h["lr"],
        "beta1": h["beta1"],
        "keep": torch.where(t == 1, 0.0, h["beta2"]),
        "take": torch.where(t == 1, 1.0, 1.0 - h["beta2"]),
        "eps": h["eps"],
        "decay": h["weight_decay"],
    }


def init(params: Tensor, *, layout: Layout) -> State:
    """Nothing seen yet."""
    return {"m": torch.zeros_like(params), "v": params.new_zeros(len(params), len(layout.parts))}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers, *, layout: Layout) -> None:
    """One step of every row in place."""
    m, v = state["m"], state["v"]
    v.mul_(c["keep"]).addcmul_(layout.norms(grads).square_(), c["take"])
    m.mul_(c["beta1"]).addcdiv_(grads, layout.spread(v.sqrt().add_(c["eps"]))).addcmul_(params, c["decay"])
    params.addcmul_(m, c["-lr"])


rule = Rule(
    name="novograd",
    page=__doc__,
    hypers={
        "lr": learning_rate(0.01, 1e-4, 1.0),
        "beta1": beta(0.95, "share of the last direction that is kept", 1e-2, 0.5),
        "beta2": beta(0.98, "decay rate of the squared norms", 1e-3, 0.8),
        "eps": epsilon(1e-8),
        "weight_decay": Hyper(
            default=0.0, low=0, search=log(1e-6, 1e-1), doc="weight decay within the momentum, beside the gradient"
        ),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    structured=True,
    decay=("decay",),
)
