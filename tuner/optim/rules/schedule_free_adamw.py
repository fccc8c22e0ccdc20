r"""AdamW that averages its points instead of keeping a first moment and following a schedule.

.. math::
    y_t &= (1 - \beta_1) z_t + \beta_1 x_t, \qquad g_t = \nabla f(y_t) \\
    v_t &= \beta_2 v_{t-1} + (1 - \beta_2) g_t^2, \qquad \gamma_t = lr_t \sqrt{1 - \beta_2^t} \\
    z_{t+1} &= z_t - \gamma_t \left( \frac{g_t}{\sqrt{v_t} + \epsilon} + \lambda y_t \right) \\
    x_{t+1} &= (1 - c_t) x_t + c_t z_{t+1}, \qquad c_t = \gamma_t^2 / \sum_{i \le t} \gamma_i^2

The parameters in training are y; the weights to evaluate are x. A schedule is still of use to warm up. State: z, x, v,
and the sum of squared rates. Reference: Defazio et al., "The Road Less Scheduled" (NeurIPS 2024), algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import BETA2, epsilon, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State, power_gap
from tuner.optim.rule import Numbers, Rule
from tuner.optim.rules import schedule_free_sgd
from tuner.optim.rules.schedule_free_sgd import INTERPOLATION, average


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The hypers, the rate corrected for the short history of v."""
    rate = h["lr"] * power_gap(h["beta2"], t).sqrt()
    return {
        "-rate": -rate,
        "rate^2": rate**2,
        "-rate*decay": -rate * h["weight_decay"],
        "beta1": h["beta1"],
        "beta2": h["beta2"],
        "1-beta2": 1.0 - h["beta2"],
        "eps": h["eps"],
    }


def init(params: Tensor) -> State:
    """All three points at the start, nothing seen yet."""
    return {**schedule_free_sgd.init(params), "v": torch.zeros_like(params)}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    v = state["v"].mul_(c["beta2"]).addcmul_(grads * c["1-beta2"], grads)
    state["z"].addcmul_(params, c["-rate*decay"]).addcdiv_(grads * c["-rate"], v.sqrt().add_(c["eps"]))
    average(params, state, c["rate^2"], c["beta1"])


rule = Rule(
    name="schedule-free-adamw",
    page=__doc__,
    hypers={
        "lr": learning_rate(2.5e-3, 1e-4, 1e-1),
        "beta1": INTERPOLATION,
        "beta2": BETA2,
        "eps": epsilon(1e-8),
        "weight_decay": weight_decay(0.0),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    evaluated="x",
    decay=("-rate*decay",),
)
