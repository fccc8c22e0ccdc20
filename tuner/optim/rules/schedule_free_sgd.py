r"""SGD that averages instead of following a schedule: gradients are taken between the newest point and the average.

.. math::
    y_t &= (1 - \beta) z_t + \beta x_t \\
    z_{t+1} &= z_t - lr_t \, (\nabla f(y_t) + \lambda y_t) \\
    x_{t+1} &= (1 - c_t) x_t + c_t z_{t+1}, \qquad c_t = lr_t^2 / \sum_{i \le t} lr_i^2

The parameters in training are y; the weights to evaluate are x. A schedule is still of use to warm up. State: z, x, and
the sum of squared rates. Reference: Defazio et al., "The Road Less Scheduled" (NeurIPS 2024), with the weights c that
its algorithm for AdamW has.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.optim.hypers import learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Rule

INTERPOLATION = Hyper(
    default=0.9,
    low=0,
    high=1,
    high_open=True,
    search=log(1e-2, 0.5),
    one_minus=True,
    doc="where gradients are taken: 0 at the newest point, 1 at the average",
)


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The hypers."""
    return {"-lr": -h["lr"], "lr^2": h["lr"] ** 2, "-lr*decay": -h["lr"] * h["weight_decay"], "beta": h["beta"]}


def init(params: Tensor) -> State:
    """All three points at the start."""
    return {"z": params.clone(), "x": params.clone(), "weight": params.new_zeros(len(params), 1)}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    state["z"].addcmul_(params, c["-lr*decay"]).addcmul_(grads, c["-lr"])
    average(params, state, c["lr^2"], c["beta"])


def average(params: Tensor, state: State, weight: Tensor, beta: Tensor) -> None:
    """Move x towards z by the share that ``weight`` [K, 1] has of all so far, and the parameters between the two."""
    z, x, total = state["z"], state["x"], state["weight"]
    total.add_(weight)
    x.copy_(torch.lerp(x, z, torch.where(weight > 0.0, weight / total, 0.0)))
    params.copy_(torch.lerp(z, x, beta))


rule = Rule(
    name="schedule-free-sgd",
    page=__doc__,
    hypers={"lr": learning_rate(1.0, 1e-2, 10.0), "beta": INTERPOLATION, "weight_decay": weight_decay(0.0)},
    coefficients=coefficients,
    init=init,
    update=update,
    evaluated="x",
)
