r"""Momentum whose rate in each tensor follows the norm of its parameters over that of its gradient.

.. math::
    lr_t &= lr \, \eta \, \frac{\lVert w_{t-1} \rVert_2}{\lVert g_t \rVert_2 + l_2 \lVert w_{t-1} \rVert_2}
        \quad\text{for each tensor} \\
    m_t &= \mu m_{t-1} + lr_t \, (g_t + l_2 w_{t-1}) \\
    w_t &= w_{t-1} - m_t

The rate is lr where the parameters or the denominator are 0. State: m. Reference: You, Gitman and Ginsburg, "Large
Batch Training of Convolutional Networks" (2017), algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.optim.hypers import L2, MOMENTUM, learning_rate
from tuner.optim.kernel import Coefficients, State
from tuner.optim.layout import Layout
from tuner.optim.rule import Numbers, Rule
from tuner.optim.rules.lamb import trust


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The hypers."""
    return {"lr": h["lr"], "momentum": h["momentum"], "trust": h["trust"], "l2": h["l2"]}


def init(params: Tensor, *, layout: Layout) -> State:  # noqa: ARG001 - one number a parameter
    """No direction yet."""
    return {"m": torch.zeros_like(params)}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers, *, layout: Layout) -> None:
    """One step of every row in place."""
    pull = params * c["l2"]
    weights, slopes = layout.norms(params), layout.norms(grads) + layout.norms(pull)
    follows = (weights > 0.0) & (slopes > 0.0)
    rates = c["lr"] * torch.where(follows, c["trust"] * trust(weights, slopes), 1.0)
    params.sub_(state["m"].mul_(c["momentum"]).addcmul_(pull.add_(grads), layout.spread(rates)))


rule = Rule(
    name="lars",
    page=__doc__,
    hypers={
        "lr": learning_rate(1.0, 0.1, 100.0),
        "momentum": MOMENTUM,
        "trust": Hyper(
            default=1e-3, low=0, low_open=True, search=log(1e-4, 1e-1), doc="length of a step, in norms of the tensor"
        ),
        "l2": L2,
    },
    coefficients=coefficients,
    init=init,
    update=update,
    structured=True,
)
