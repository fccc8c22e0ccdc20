r"""The gradient in units of the parameter: the root mean square of past steps over that of past gradients.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    v_t &= \rho v_{t-1} + (1 - \rho) g_t^2 \\
    \delta_t &= \frac{\sqrt{x_{t-1} + \epsilon}}{\sqrt{v_t + \epsilon}} \, g_t, \qquad
    x_t = \rho x_{t-1} + (1 - \rho) \delta_t^2 \\
    w_t &= w_{t-1} - lr \, \delta_t

State: v, x, both from 0. Reference: Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012), algorithm 1, where
lr is 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import L2, beta, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The hypers, and what each average takes of the new."""
    return {"-lr": -h["lr"], "rho": h["rho"], "1-rho": 1.0 - h["rho"], "eps": h["eps"], "l2": h["l2"]}


def init(params: Tensor) -> State:
    """No mean squares yet."""
    return {"v": torch.zeros_like(params), "x": torch.zeros_like(params)}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    v, x = state["v"], state["x"]
    g = torch.addcmul(grads, params, c["l2"])
    v.mul_(c["rho"]).addcmul_(g * c["1-rho"], g)
    step = (x + c["eps"]).sqrt_().div_((v + c["eps"]).sqrt_()).mul_(g)
    x.mul_(c["rho"]).addcmul_(step * c["1-rho"], step)
    params.addcmul_(step, c["-lr"])


rule = Rule(
    name="adadelta",
    page=__doc__,
    hypers={
        "lr": learning_rate(1.0, 1e-2, 10.0),
        "rho": beta(0.9, "decay rate of both mean squares", 1e-2, 0.5),
        "eps": epsilon(1e-6),
        "l2": L2,
    },
    coefficients=coefficients,
    init=init,
    update=update,
    torch_equivalent=TorchEquivalent(
        optimizer="Adadelta",
        arguments={"lr": "lr", "rho": "rho", "eps": "eps", "weight_decay": "l2"},
        state={"square_avg": kept("v"), "acc_delta": kept("x")},
    ),
)
