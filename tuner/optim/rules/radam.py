r"""Adam that divides by its second moment only once that is known well enough, and as much as it is.

.. math::
    \rho_\infty &= \frac{2}{1 - \beta_2} - 1, \qquad
    \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad
    r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2)\rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2)\rho_t}} \\
    w_t &= w_{t-1} - lr \, \frac{m_t}{1 - \beta_1^t} \cdot \begin{cases}
        r_t \sqrt{1 - \beta_2^t} / (\sqrt{v_t} + \epsilon) & \rho_t > 5 \\
        1 & \text{otherwise}
    \end{cases}

with m and v those of Adam, l2 in the gradient. State: m, v. Reference: Liu et al., "On the Variance of the Adaptive
Learning Rate and Beyond" (ICLR 2020), algorithm 2, in torch's form (which asks for more than 5, not 4).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import BETA1, BETA2, L2, epsilon, learning_rate
from tuner.optim.kernel import Coefficients, power_gap, two_moment
from tuner.optim.rule import MOMENTS, Numbers, Rule, TorchEquivalent
from tuner.optim.rules.adam import averages


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """Adam's where the second moment is known, the averaged gradient alone before."""
    gathered = power_gap(h["beta2"], t)
    longest = 2.0 / (1.0 - h["beta2"]) - 1.0
    length = longest - 2.0 * t * h["beta2"] ** t / gathered
    known = length > 5.0
    rectified = ((length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)) ** 0.5
    return two_moment(
        lr=h["lr"],
        l2=h["l2"],
        **averages(h),
        n1=torch.where(known, rectified, 1.0) / power_gap(h["beta1"], t),
        c=torch.where(known, 1.0 / gathered, 0.0),
        d=torch.where(known, h["eps"] / gathered.sqrt(), 1.0),
    )


rule = Rule(
    name="radam",
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
        optimizer="RAdam",
        arguments={"lr": "lr", "betas": ("beta1", "beta2"), "eps": "eps", "weight_decay": "l2"},
        state=MOMENTS,
    ),
)
