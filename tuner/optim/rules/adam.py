r"""The mean gradient over the root of the mean square, both bias-corrected: the gradient's scale cancels out.

.. math::
    g_t &\leftarrow g_t + l_2 w_{t-1} \\
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
    w_t &= w_{t-1} - lr \, \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

State: m, v. Reference: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015), algorithm 1.
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import BETA1, BETA2, L2, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, Number, power_gap, two_moment
from tuner.optim.rule import MOMENTS, Numbers, Rule, TorchEquivalent


def averages(h: Numbers) -> dict[str, Number]:
    """Coefficients of the two moving averages, as all of Adam's kin keep them."""
    beta1, beta2 = h["beta1"], h["beta2"]
    return {"a1": beta1, "a2": 1.0 - beta1, "b1": beta2, "b2": 1.0 - beta2}


def adaptive(h: Numbers, t: Tensor) -> dict[str, Number]:
    """Adam's step but for weight decay."""
    correction = {"n1": 1.0 / power_gap(h["beta1"], t), "c": 1.0 / power_gap(h["beta2"], t)}
    return {**averages(h), **correction, "d": h["eps"]}


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """Adam with weight decay in the gradient."""
    return two_moment(lr=h["lr"], l2=h["l2"], **adaptive(h, t))


rule = Rule(
    name="adam",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "beta1": BETA1,
        "beta2": BETA2,
        "eps": epsilon(1e-8),
        "l2": L2,
    },
    coefficients=coefficients,
    torch_equivalent=TorchEquivalent(
        optimizer="Adam",
        arguments={"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps", "weight_decay": "l2"},
        state=MOMENTS,
    ),
)
