r"""Adam that divides by how far the gradient strays from its mean: long steps where the gradient is as predicted.

.. math::
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
    s_t = \beta_2 s_{t-1} + (1 - \beta_2) (g_t - m_t)^2 + \epsilon \\
    w_t &= (1 - lr \, \lambda) w_{t-1}
           - lr \, \frac{m_t / (1 - \beta_1^t)}{\sqrt{s_t / (1 - \beta_2^t)} + \epsilon}

The ε that every step adds to s is summed in closed form, :math:`\epsilon (1 - \beta_2^t) / (1 - \beta_2)`, with β2 and
ε as they are now: v is s without it. State: m, v. Reference: Zhuang et al., "AdaBelief Optimizer: Adapting Stepsizes by
the Belief in Observed Gradients" (NeurIPS 2020), algorithm 2, with decoupled weight decay.
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import BETA1, BETA2, epsilon, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import Numbers, Rule
from tuner.optim.rules.adam import adaptive


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """Adam's, of the gradient's distance from m."""
    summed = h["eps"] / (1.0 - h["beta2"])
    return two_moment(lr=h["lr"], decay=h["weight_decay"], **adaptive(h, t), e=1.0, s=summed)


rule = Rule(
    name="adabelief",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "beta1": BETA1,
        "beta2": BETA2,
        "eps": epsilon(1e-16, 1e-16, 1e-6),
        "weight_decay": weight_decay(0.0),
    },
    coefficients=coefficients,
)
