r"""Adam in another order: each gradient is scaled by the ones before it, clipped, and only then averaged.

.. math::
    v_0 &= g_0^2, \qquad m_0 = 0, \qquad w_0 \text{ stays} \\
    u_t &= \operatorname{clip}\left(\frac{g_t}{\max(\sqrt{v_{t-1}}, \epsilon)}, \pm t^{1/4}\right), \qquad
    m_t = \beta_1 m_{t-1} + (1 - \beta_1) u_t \\
    w_t &= (1 - lr \, \lambda) w_{t-1} - lr \, m_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2

A gradient that does not count in its own denominator is what makes it converge with any β2. The first gradient starts v
and moves nothing, so t here is the steps done before. State: m, v. Reference: Taniguchi et al., "ADOPT: Modified Adam
Can Converge with Any β2 with the Optimal Rate" (NeurIPS 2024), in the later, clipped form of arXiv:2411.02853.

>>> from tuner.optim import as_torch_optimizer
>>> w = torch.tensor([1.0, -3.0], requires_grad=True)
>>> optimizer = as_torch_optimizer("adopt", [w], lr=0.1)
>>> w.square().sum().backward()
>>> optimizer.step()
>>> optimizer.step()
>>> w.detach()
tensor([ 0.9900, -2.9900])
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.hypers import BETA1, beta, epsilon, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The hypers; at the first step clipped to nothing, with all of v taken from the gradient."""
    return {
        "-lr": -h["lr"],
        "-lr*decay": torch.where(t == 1, 0.0, -h["lr"] * h["weight_decay"]),
        "1-beta1": 1.0 - h["beta1"],
        "1-beta2": torch.where(t == 1, 1.0, 1.0 - h["beta2"]),
        "limit": (t - 1.0) ** 0.25,
        "-limit": -((t - 1.0) ** 0.25),
        "eps": h["eps"],
    }


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    return {"m": torch.zeros_like(params), "v": torch.zeros_like(params)}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    m, v = state["m"], state["v"]
    scaled = (grads / v.sqrt().clamp_min_(c["eps"])).clamp_min_(c["-limit"]).clamp_max_(c["limit"])
    m.add_((scaled - m).mul_(c["1-beta1"]))
    v.add_((grads * grads - v).mul_(c["1-beta2"]))
    params.addcmul_(params, c["-lr*decay"]).addcmul_(m, c["-lr"])


rule = Rule(
    name="adopt",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "beta1": BETA1,
        "beta2": beta(0.9999, "decay rate of the second moment", 1e-5, 0.2),
        "eps": epsilon(1e-6),
        "weight_decay": weight_decay(0.0),
    },
    coefficients=coefficients,
    init=init,
    update=update,
)
