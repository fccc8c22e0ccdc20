r"""Adam whose momentum looks ahead, as Nesterov's does, by the change of the gradient from step to step.

.. math::
    \Delta_t &= g_t - g_{t-1}, \qquad \Delta_1 = 0 \\
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) \Delta_t \\
    n_t &= \beta_3 n_{t-1} + (1 - \beta_3) (g_t + \beta_2 \Delta_t)^2 \\
    w_t &= \frac{1}{1 + lr \, \lambda} \left( w_{t-1} - lr \,
           \frac{m_t / (1 - \beta_1^t) + \beta_2 v_t / (1 - \beta_2^t)}{\sqrt{n_t / (1 - \beta_3^t)} + \epsilon} \right)

Each β is the share that is kept; the paper's is one minus it. State: m, v, n, last gradient; m, v, n from 0. Reference:
Xie et al., "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models" (arXiv:2208.06677),
algorithm 1, without restarts and with the bias correction of the authors' code.

>>> from tuner.optim import as_torch_optimizer
>>> w = torch.tensor([1.0, -3.0], requires_grad=True)
>>> optimizer = as_torch_optimizer("adan", [w], lr=0.1)
>>> w.square().sum().backward()
>>> optimizer.step()
>>> w.detach()
tensor([ 0.8982, -2.8942])
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import beta, epsilon, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State, power_gap
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """What each average takes of the new, and the corrections taken out of the averages."""
    return {
        "1-beta1": 1.0 - h["beta1"],
        "beta2": h["beta2"],
        "1-beta2": 1.0 - h["beta2"],
        "1-beta3": 1.0 - h["beta3"],
        "-rate m": -h["lr"] / power_gap(h["beta1"], t),
        "-rate v": -h["lr"] * h["beta2"] / power_gap(h["beta2"], t),
        "correction": power_gap(h["beta3"], t) ** -0.5,
        "eps": h["eps"],
        "-lr*decay": 1.0 / (1.0 + h["lr"] * h["weight_decay"]) - 1.0,
        "changes": torch.where(t == 1, 0.0, 1.0),
    }


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    return {name: torch.zeros_like(params) for name in ("m", "v", "n", "last")}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    m, v, n, last = state["m"], state["v"], state["n"], state["last"]
    change = (grads - last).mul_(c["changes"])
    ahead = torch.addcmul(grads, change, c["beta2"])
    m.add_((grads - m).mul_(c["1-beta1"]))
    v.add_((change - v).mul_(c["1-beta2"]))
    n.add_((ahead * ahead - n).mul_(c["1-beta3"]))
    step = (m * c["-rate m"]).addcmul_(v, c["-rate v"])
    params.addcdiv_(step, n.sqrt().mul_(c["correction"]).add_(c["eps"])).addcmul_(params, c["-lr*decay"])
    last.copy_(grads)


rule = Rule(
    name="adan",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "beta1": beta(0.98, "decay rate of the gradient's average", 1e-2, 0.2),
        "beta2": beta(0.92, "decay rate of the change's average, and its weight in the step", 1e-2, 0.5),
        "beta3": beta(0.99, "decay rate of the second moment", 1e-3, 0.2),
        "eps": epsilon(1e-8),
        "weight_decay": weight_decay(0.02),
    },
    coefficients=coefficients,
    init=init,
    update=update,
)
