r"""Adam's step, scaled in each tensor to the norm of its parameters, so that large batches allow large rates.

.. math::
    r_t &= \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon} + \lambda w_{t-1} \\
    w_t &= w_{t-1} - lr \, \frac{\lVert w_{t-1} \rVert_2}{\lVert r_t \rVert_2} \, r_t
        \quad\text{for each tensor}

with m and v those of Adam; the ratio is 1 where one of its norms is 0. State: m, v. Reference: You et al., "Large Batch
Optimization for Deep Learning: Training BERT in 76 minutes" (ICLR 2020), algorithm 2, with φ(x) = x.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim import kernel
from tuner.optim.hypers import BETA1, BETA2, epsilon, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State, power_gap
from tuner.optim.layout import Layout
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The hypers and the corrections."""
    return {
        "-lr": -h["lr"],
        "beta1": h["beta1"],
        "1-beta1": 1.0 - h["beta1"],
        "beta2": h["beta2"],
        "1-beta2": 1.0 - h["beta2"],
        "n": 1.0 / power_gap(h["beta1"], t),
        "c": 1.0 / power_gap(h["beta2"], t),
        "eps": h["eps"],
        "decay": h["weight_decay"],
    }


def init(params: Tensor, *, layout: Layout) -> State:  # noqa: ARG001 - two numbers a parameter
    """Both moments at zero."""
    return kernel.init(params)


def update(params: Tensor, grads: Tensor, state: State, c: Numbers, *, layout: Layout) -> None:
    """One step of every row in place."""
    m, v = state["m"], state["v"]
    m.mul_(c["beta1"]).addcmul_(grads, c["1-beta1"])
    v.mul_(c["beta2"]).addcmul_(grads * c["1-beta2"], grads)
    r = (m * c["n"]).div_((v * c["c"]).sqrt_().add_(c["eps"])).addcmul_(params, c["decay"])
    params.addcmul_(r.mul_(layout.spread(trust(layout.norms(params), layout.norms(r)))), c["-lr"])


def trust(weights: Tensor, steps: Tensor) -> Tensor:
    """How much longer a step may be, from the norms of parameters and step; 1 where one of them is 0."""
    return torch.where((weights > 0.0) & (steps > 0.0), weights / steps, 1.0)


rule = Rule(
    name="lamb",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-2, 1e-4, 1.0),
        "beta1": BETA1,
        "beta2": BETA2,
        "eps": epsilon(1e-6),
        "weight_decay": weight_decay(0.01),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    structured=True,
    decay=("decay",),
)
