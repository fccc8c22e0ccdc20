r"""RMSProp over the gradient's standard deviation instead of its root mean square, with momentum on the scaled steps.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    a_t &= \alpha a_{t-1} + (1 - \alpha) g_t, \qquad v_t = \alpha v_{t-1} + (1 - \alpha) g_t^2 \\
    x_t &= \mu x_{t-1} + \frac{g_t}{\sqrt{v_t - a_t^2} + \epsilon}, \qquad w_t = w_{t-1} - lr \, x_t

State: a, v, x, all from 0. Where rounding makes the variance negative it counts as 0. Reference: Graves, "Generating
Sequences With Recurrent Neural Networks" (2013), eq. 38 to 41, in torch's form (centered).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import L2, beta, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The hypers, what each average takes of the new, and the whole square of the mean taken off."""
    return {
        "-e": -torch.ones_like(h["lr"]),
        "-lr": -h["lr"],
        "alpha": h["alpha"],
        "1-alpha": 1.0 - h["alpha"],
        "momentum": h["momentum"],
        "eps": h["eps"],
        "l2": h["l2"],
    }


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    return {name: torch.zeros_like(params) for name in ("a", "v", "x")}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    a, v, x = state["a"], state["v"], state["x"]
    g = torch.addcmul(grads, params, c["l2"])
    a.mul_(c["alpha"]).addcmul_(g, c["1-alpha"])
    v.mul_(c["alpha"]).addcmul_(g * c["1-alpha"], g)
    deviation = torch.addcmul(v, a * c["-e"], a).clamp_min_(0.0).sqrt_()
    x.mul_(c["momentum"]).addcdiv_(g, deviation.add_(c["eps"]))
    params.addcmul_(x, c["-lr"])


rule = Rule(
    name="rmsprop-centered",
    page=__doc__,
    hypers={
        "lr": learning_rate(0.01, 1e-5, 0.1),
        "alpha": beta(0.99, "decay rate of the mean and the mean square", 1e-3, 0.5),
        "momentum": beta(0.0, "share of the last scaled step that is kept", 1e-2, 1.0),
        "eps": epsilon(1e-8),
        "l2": L2,
    },
    coefficients=coefficients,
    init=init,
    update=update,
    torch_equivalent=TorchEquivalent(
        optimizer="RMSprop",
        arguments={"lr": "lr", "alpha": "alpha", "momentum": "momentum", "eps": "eps", "weight_decay": "l2"},
        constants={"centered": True},
        state={"square_avg": kept("v"), "grad_avg": kept("a")},
    ),
)
