r"""Momentum over a running diagonal of the Hessian, each entry of the step bounded by the rate.

.. math::
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t \\
    h_t &= \beta_2 h_{t-k} + (1 - \beta_2) \, u \odot (H u) \quad\text{at steps } 1, 1 + k, 1 + 2k, \dots \\
    w_t &= (1 - lr \, \lambda) w_{t-1} - lr \, \operatorname{clip}(m_t / \max(\gamma h_t, \epsilon), 1)

with Hutchinson's estimate of the diagonal: u has random signs, and H u comes from the gradients at
:math:`w \pm r u / \sqrt{P}`, where r is ``radius`` (exact where the loss is a quadratic). The signs are those of the
step, the same in every trial. State: m, h. Reference: Liu, Li, Hall, Liang and Ma, "Sophia: A Scalable Stochastic
Second-order Optimizer for Language Model Pre-training" (ICLR 2024), algorithm 3 with the estimator of algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, integer, log
from tuner.optim.hypers import beta, learning_rate, weight_decay
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Probe, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The hypers, and at which steps the Hessian is looked at."""
    return {
        "-lr": -h["lr"],
        "-lr*decay": -h["lr"] * h["weight_decay"],
        "beta1": h["beta1"],
        "1-beta1": 1.0 - h["beta1"],
        "1-beta2": 1.0 - h["beta2"],
        "gamma": h["gamma"],
        "eps": h["eps"],
        "radius": h["radius"],
        "looks": torch.where((t - 1.0) % h["interval"] == 0.0, t, 0.0),
    }


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    return {name: torch.zeros_like(params) for name in ("m", "h")}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers, *, probe: Probe) -> None:
    """One step of every row in place."""
    m, h = state["m"], state["h"]
    m.mul_(c["beta1"]).addcmul_(grads, c["1-beta1"])
    steps = [int(t) for t in c["looks"].flatten().tolist()]
    if looking := [k for k, t in enumerate(steps) if t]:
        seen = diagonal(params[looking], [steps[k] for k in looking], c["radius"][looking], probe, looking)
        h[looking] = torch.lerp(h[looking], seen, c["1-beta2"][looking])
    u = (m / torch.maximum(h * c["gamma"], c["eps"])).clamp_(-1.0, 1.0)
    params.addcmul_(params, c["-lr*decay"]).addcmul_(u, c["-lr"])


def diagonal(points: Tensor, steps: list[int], radii: Tensor, probe: Probe, which: list[int]) -> Tensor:
    """Hutchinson's estimate of the diagonal of each row's Hessian at ``points`` [n, P], with one vector of signs."""
    signs = torch.stack([_signs(points.shape[1], t) for t in steps]).to(points)
    reach = radii / max(points.shape[1], 1) ** 0.5
    uphill, downhill = (probe(points + side * reach * signs, which)[1] for side in (1.0, -1.0))
    return (uphill - downhill).mul_(signs).div_(2.0 * reach)


def _signs(size: int, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    return torch.randint(0, 2, (size,), generator=generator, dtype=torch.int8) * 2 - 1


rule = Rule(
    name="sophia",
    page=__doc__,
    hypers={
        "lr": learning_rate(1e-3, 1e-5, 1e-1),
        "beta1": beta(0.96, "decay rate of the first moment", 1e-2, 0.5),
        "beta2": beta(0.99, "share of the last diagonal that is kept", 1e-3, 0.2),
        "gamma": Hyper(default=0.01, low=0, low_open=True, search=log(1e-3, 0.1), doc="weight of the curvature"),
        "eps": Hyper(default=1e-12, low=1e-20, doc="least curvature that is divided by"),
        "weight_decay": weight_decay(0.1),
        "interval": Hyper(default=10, low=1, integer=True, search=integer(1, 20), doc="steps between two looks"),
        "radius": Hyper(default=1e-2, low=1e-4, doc="distance at which gradients are compared"),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    coupled=True,
    probing=True,
)
