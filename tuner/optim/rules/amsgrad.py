r"""Adam that divides by the largest second moment seen so far, so that no rate ever grows again.

.. math::
    \hat v_t &= \max(\hat v_{t-1}, v_t) \\
    w_t &= w_{t-1} - lr \, \frac{m_t / (1 - \beta_1^t)}{\sqrt{\hat v_t / (1 - \beta_2^t)} + \epsilon}

with m and v those of Adam, l2 in the gradient. State: m, v, largest. Reference: Reddi, Kale and Kumar, "On the
Convergence of Adam and Beyond" (ICLR 2018), algorithm 2, in torch's form with bias correction.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import BETA1, BETA2, L2, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, State, power_gap
from tuner.optim.rule import MOMENTS, Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """Adam's, the corrections being taken out of m and v."""
    return {
        "-rate": -h["lr"] / power_gap(h["beta1"], t),
        "correction": power_gap(h["beta2"], t) ** -0.5,
        "beta1": h["beta1"],
        "1-beta1": 1.0 - h["beta1"],
        "beta2": h["beta2"],
        "1-beta2": 1.0 - h["beta2"],
        "eps": h["eps"],
        "l2": h["l2"],
    }


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    return {name: torch.zeros_like(params) for name in ("m", "v", "largest")}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    m, v, largest = state["m"], state["v"], state["largest"]
    g = torch.addcmul(grads, params, c["l2"])
    m.mul_(c["beta1"]).addcmul_(g, c["1-beta1"])
    v.mul_(c["beta2"]).addcmul_(g * c["1-beta2"], g)
    torch.maximum(largest, v, out=largest)
    params.addcdiv_(m * c["-rate"], largest.sqrt().mul_(c["correction"]).add_(c["eps"]))


rule = Rule(
    name="amsgrad",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "beta1": BETA1,
        "beta2": BETA2,
        "eps": epsilon(1e-8),
        "l2": L2,
    },
    coefficients=coefficients,
    init=init,
    update=update,
    torch_equivalent=TorchEquivalent(
        optimizer="Adam",
        arguments={"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps", "weight_decay": "l2"},
        constants={"amsgrad": True},
        state={**MOMENTS, "max_exp_avg_sq": kept("largest")},
    ),
)
