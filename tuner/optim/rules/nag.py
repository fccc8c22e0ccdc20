r"""Nesterov's accelerated gradient in torch's form: momentum that already looks one step ahead.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    m_t &= \mu m_{t-1} + g_t, \qquad m_0 = 0 \\
    w_t &= w_{t-1} - lr \, (g_t + \mu m_t)

State: m. Reference: Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k^2)"
(1983). ``nag-lookahead`` is the form of Sutskever et al. (ICML 2013), with the rate inside m, which differs where a
schedule moves it.
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import L2, MOMENTUM, learning_rate
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The gradient and the momentum it will have left behind."""
    return two_moment(lr=h["lr"], l2=h["l2"], a1=h["momentum"], a2=1.0, n1=h["momentum"], n2=1.0)


rule = Rule(
    name="nag",
    page=__doc__,
    hypers={"lr": learning_rate(0.01, 1e-4, 1.0), "momentum": MOMENTUM, "l2": L2},
    coefficients=coefficients,
    torch_equivalent=TorchEquivalent(
        optimizer="SGD",
        arguments={"lr": "lr", "momentum": "momentum", "weight_decay": "l2"},
        constants={"nesterov": True},
        state={"momentum_buffer": kept("m")},
    ),
)
