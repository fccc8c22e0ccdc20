r"""The sign of the gradient, or with momentum (Signum) of its moving average.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    m_t &= \mu m_{t-1} + (1 - \mu) g_t, \qquad m_0 = 0 \\
    w_t &= w_{t-1} - lr \operatorname{sign}(m_t)

State: m. Reference: Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems" (ICML 2018),
algorithms 1 and 2.
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import L2, beta, learning_rate
from tuner.optim.kernel import SIGN, Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The averaged gradient's sign."""
    return two_moment(lr=h["lr"], l2=h["l2"], a1=h["momentum"], a2=1.0 - h["momentum"], n1=1.0, **SIGN)


rule = Rule(
    name="signsgd",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "momentum": beta(0.0, "decay rate of the gradient's average", 1e-2, 1.0),
        "l2": L2,
    },
    coefficients=coefficients,
)
