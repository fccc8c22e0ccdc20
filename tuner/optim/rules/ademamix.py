r"""AdamW with a second, far slower average of the gradient: old gradients still count for thousands of steps.

.. math::
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
    s_t &= b_t s_{t-1} + (1 - b_t) g_t \\
    w_t &= (1 - lr \, \lambda) w_{t-1}
           - lr \, \frac{m_t / (1 - \beta_1^t) + a_t s_t}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

The weight of the slow average and its decay rate both rise, over T steps each:

.. math::
    a_t = \alpha \min(t / T_\alpha, 1), \qquad
    b_t = \min\left( \exp \frac{\ln \beta_1 \ln \beta_3}{(1 - t / T_\beta) \ln \beta_3 + (t / T_\beta) \ln \beta_1},
                     \beta_3 \right)

so that the time that s remembers grows evenly; T = 1 is no rise at all, the paper's T is the whole run. State: m, s, v.
Reference: Pagliardini, Ablin and Grangier, "The AdEMAMix Optimizer: Better, Faster, Older" (arXiv:2409.03137).

>>> from tuner.optim import as_torch_optimizer
>>> w = torch.tensor([1.0, -3.0], requires_grad=True)
>>> optimizer = as_torch_optimizer("ademamix", [w], lr=0.1)
>>> w.square().sum().backward()
>>> optimizer.step()
>>> w.detach()
tensor([ 0.8990, -2.8970])
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, uniform
from tuner.optim.hypers import BETA1, BETA2, beta, epsilon, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State, power_gap
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """AdamW's, and the slow average's weight and decay rate at the step."""
    return {
        "-lr": -h["lr"],
        "-lr*decay": -h["lr"] * h["weight_decay"],
        "1-beta1": 1.0 - h["beta1"],
        "1-beta2": 1.0 - h["beta2"],
        "1-beta3": -torch.expm1(log_beta3(h, t)),
        "fast": 1.0 / power_gap(h["beta1"], t),
        "slow": h["alpha"] * (t / h["alpha_warmup"]).clamp(max=1.0),
        "correction": power_gap(h["beta2"], t) ** -0.5,
        "eps": h["eps"],
    }


def log_beta3(h: Numbers, t: Tensor) -> Tensor:
    """The slow average's decay rate as a logarithm, whose inverse moves evenly from that of beta1 to that of beta3."""
    share = (t / h["beta3_warmup"]).clamp(max=1.0)
    last = torch.log(h["beta3"])
    return torch.minimum(1.0 / ((1.0 - share) / torch.log(h["beta1"]) + share / last), last)


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    return {name: torch.zeros_like(params) for name in ("m", "s", "v")}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    m, s, v = state["m"], state["s"], state["v"]
    m.add_((grads - m).mul_(c["1-beta1"]))
    s.add_((grads - s).mul_(c["1-beta3"]))
    v.add_((grads * grads - v).mul_(c["1-beta2"]))
    direction = (m * c["fast"]).addcmul_(s, c["slow"]).div_(v.sqrt().mul_(c["correction"]).add_(c["eps"]))
    params.addcmul_(params, c["-lr*decay"]).addcmul_(direction, c["-lr"])


rule = Rule(
    name="ademamix",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "beta1": BETA1,
        "beta2": BETA2,
        "beta3": beta(0.9999, "decay rate of the slow average", 1e-5, 1e-2),
        "alpha": Hyper(default=5.0, low=0, search=uniform(1.0, 10.0), doc="weight of the slow average in the step"),
        "alpha_warmup": Hyper(default=1, low=1, integer=True, doc="steps over which the slow average's weight rises"),
        "beta3_warmup": Hyper(default=1, low=1, integer=True, doc="steps over which beta3 rises from beta1"),
        "eps": epsilon(1e-8),
        "weight_decay": weight_decay(0.01),
    },
    coefficients=coefficients,
    init=init,
    update=update,
)
