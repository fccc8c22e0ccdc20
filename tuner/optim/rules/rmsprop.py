r"""The gradient over the root of the moving average of its squares: AdaGrad that forgets.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    v_t &= \alpha v_{t-1} + (1 - \alpha) g_t^2, \qquad v_0 = 0 \\
    w_t &= w_{t-1} - lr \, \frac{g_t}{\sqrt{v_t} + \epsilon}

State: v. Reference: Tieleman and Hinton, "Lecture 6.5: rmsprop" (Coursera, 2012); the form of torch, where the average
is not bias-corrected.
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import L2, beta, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The gradient over the root of its mean square."""
    return two_moment(lr=h["lr"], l2=h["l2"], b1=h["alpha"], b2=1.0 - h["alpha"], n2=1.0, c=1.0, d=h["eps"])


rule = Rule(
    name="rmsprop",
    page=__doc__,
    hypers={
        "lr": learning_rate(0.01, 1e-5, 0.1),
        "alpha": beta(0.99, "decay rate of the mean square", 1e-3, 0.5),
        "eps": epsilon(1e-8),
        "l2": L2,
    },
    coefficients=coefficients,
    torch_equivalent=TorchEquivalent(
        optimizer="RMSprop",
        arguments={"lr": "lr", "alpha": "alpha", "eps": "eps", "weight_decay": "l2"},
        state={"square_avg": kept("v")},
    ),
)
