r"""Adam whose weight decay acts on the parameters themselves, not through the gradient and its scaling.

.. math::
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
    w_t &= (1 - lr \, \lambda) w_{t-1}
           - lr \, \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

State: m, v. Reference: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019), algorithm 2, with λ
multiplied by the rate as in torch.
"""

from __future__ import annotations

from torch import Tensor

from tuner.optim.hypers import BETA1, BETA2, epsilon, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, two_moment
from tuner.optim.rule import MOMENTS, Numbers, Rule, TorchEquivalent
from tuner.optim.rules.adam import adaptive


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """Adam with weight decay beside the step."""
    return two_moment(lr=h["lr"], decay=h["weight_decay"], **adaptive(h, t))


rule = Rule(
    name="adamw",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "beta1": BETA1,
        "beta2": BETA2,
        "eps": epsilon(1e-8),
        "weight_decay": weight_decay(0.01),
    },
    coefficients=coefficients,
    torch_equivalent=TorchEquivalent(
        optimizer="AdamW",
        arguments={"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps", "weight_decay": "weight_decay"},
        state=MOMENTS,
    ),
)
