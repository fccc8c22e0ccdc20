r"""Stochastic gradient descent: a step against the gradient of a mini-batch.

.. math:: w_t = w_{t-1} - lr \, (g_t + l_2 w_{t-1})

State: none. Reference: Robbins and Monro, "A Stochastic Approximation Method" (1951).
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import L2, learning_rate
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule, TorchEquivalent


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The gradient itself."""
    return two_moment(lr=h["lr"], l2=h["l2"], n2=1.0)


rule = Rule(
    name="sgd",
    page=__doc__,
    hypers={"lr": learning_rate(0.1, 1e-3, 10.0), "l2": L2},
    coefficients=coefficients,
    torch_equivalent=TorchEquivalent(optimizer="SGD", arguments={"lr": "lr", "weight_decay": "l2"}),
)
