r"""Adam whose second moment moves by a bounded amount, so that the rate grows only slowly where gradients get small.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
    v_t = v_{t-1} - (1 - \beta_2) \operatorname{sign}(v_{t-1} - g_t^2) \, g_t^2 \\
    w_t &= w_{t-1} - lr \, \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

State: m, v, both from 0. Reference: Zaheer et al., "Adaptive Methods for Nonconvex Optimization" (NeurIPS 2018),
algorithm 2, with Adam's bias correction in the place of the start that the paper proposes, the squares of a batch.

>>> from tuner.optim import as_torch_optimizer
>>> w = torch.tensor([1.0, -3.0], requires_grad=True)
>>> optimizer = as_torch_optimizer("yogi", [w], lr=0.1)
>>> w.square().sum().backward()
>>> optimizer.step()
>>> w.detach()
tensor([ 0.9000, -2.9000])
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import BETA1, BETA2, L2, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, State, power_gap
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """Adam's, the corrections being taken out of m and v."""
    return {
        "-rate": -h["lr"] / power_gap(h["beta1"], t),
        "correction": power_gap(h["beta2"], t) ** -0.5,
        "1-beta1": 1.0 - h["beta1"],
        "beta2-1": h["beta2"] - 1.0,
        "eps": h["eps"],
        "l2": h["l2"],
    }


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    return {"m": torch.zeros_like(params), "v": torch.zeros_like(params)}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    m, v = state["m"], state["v"]
    g = torch.addcmul(grads, params, c["l2"])
    m.add_((g - m).mul_(c["1-beta1"]))
    square = g * g
    v.addcmul_((v - square).sign_().mul_(c["beta2-1"]), square)
    params.addcdiv_(m * c["-rate"], v.sqrt().mul_(c["correction"]).add_(c["eps"]))


rule = Rule(
    name="yogi",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-2, 1e-4, 1.0),
        "beta1": BETA1,
        "beta2": BETA2,
        "eps": epsilon(1e-3, 1e-8, 1e-1),
        "l2": L2,
    },
    coefficients=coefficients,
    init=init,
    update=update,
)
