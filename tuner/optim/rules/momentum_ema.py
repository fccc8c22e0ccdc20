r"""SGD along the moving average of its gradients, so that the rate keeps its meaning whatever the momentum.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    m_t &= \mu m_{t-1} + (1 - \mu) g_t, \qquad m_0 = 0 \\
    w_t &= w_{t-1} - lr \, m_t

State: m. Reference: the first moment of Kingma and Ba (ICLR 2015), algorithm 1, without bias correction; compare Polyak
(1964), whose lr is lr (1 - μ) here.
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import L2, MOMENTUM, learning_rate
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The averaged gradient."""
    return two_moment(lr=h["lr"], l2=h["l2"], a1=h["momentum"], a2=1.0 - h["momentum"], n1=1.0)


rule = Rule(
    name="momentum-ema",
    page=__doc__,
    hypers={"lr": learning_rate(0.1, 1e-3, 10.0), "momentum": MOMENTUM, "l2": L2},
    coefficients=coefficients,
)
