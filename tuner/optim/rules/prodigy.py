r"""AdamW that finds its rate by itself: it estimates, from below, how far the start lies from the solution.

.. math::
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) d_t g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) d_t^2 g_t^2 \\
    r_t &= \sqrt{\beta_2}\, r_{t-1} + lr \, d_t^2 \langle g_t, w_0 - w_{t-1} \rangle, \qquad
    s_t = \sqrt{\beta_2}\, s_{t-1} + lr \, d_t^2 g_t \\
    d_{t+1} &= \max\left(d_t, d_{coef} \, r_t / \lVert s_t \rVert_1 \right), \qquad d_1 = d_0 \\
    w_t &= (1 - lr \, d_t \lambda) w_{t-1} - lr \, d_t \frac{m_t}{\sqrt{v_t} + d_t \epsilon}

lr is a factor on the estimated rate: its schedule is what varies; to search, d_coef serves better. The inner product
and the norm run over all parameters of a model. (The factor 1 - √β2 that the paper has before what r and s take of
the new cancels in d; d_coef and decay are those of the authors' code.)

State: m, v, r and s (with one d of each square in units of d0, which single precision holds better), growth = d / d0,
start w0. A step as short as d0 must not be lost in the rounding of w, or nothing ever moves. Reference: Mishchenko and
Defazio, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner" (ICML 2024), the version with Adam.

>>> from tuner.optim import as_torch_optimizer
>>> w = torch.tensor([1.0, -3.0], requires_grad=True)
>>> optimizer = as_torch_optimizer("prodigy", [w])
>>> for _ in range(200):
...     optimizer.zero_grad()
...     (w - 5).square().sum().backward()
...     optimizer.step()
>>> bool((w - 5).abs().max() < 0.1)
True
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.optim.hypers import BETA1, BETA2, epsilon, weight_decay
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Rule


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The hypers."""
    return {
        "lr": h["lr"],
        "-lr": -h["lr"],
        "-lr*decay": -h["lr"] * h["weight_decay"],
        "d0": h["d0"],
        "d_coef/d0": h["d_coef"] / h["d0"],
        "1-beta1": 1.0 - h["beta1"],
        "1-beta2": 1.0 - h["beta2"],
        "root beta2": h["beta2"].sqrt(),
        "eps": h["eps"],
    }


def init(params: Tensor) -> State:
    """Nothing seen yet but the start; the estimate is d0."""
    slots = len(params)
    return {
        **{name: torch.zeros_like(params) for name in ("m", "v", "s")},
        "start": params.clone(),
        "r": params.new_zeros(slots, 1),
        "growth": params.new_ones(slots, 1),
    }


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    m, v, r, s, growth = (state[name] for name in ("m", "v", "r", "s", "growth"))
    d, weight = c["d0"] * growth, c["lr"] * growth
    g = grads * d
    downhill = (g * (state["start"] - params)).sum(1, keepdim=True)
    m.add_((g - m).mul_(c["1-beta1"]))
    v.add_((g * g - v).mul_(c["1-beta2"]))
    r.mul_(c["root beta2"]).addcmul_(downhill, weight)
    s.mul_(c["root beta2"]).addcmul_(g, weight)
    step = m / v.sqrt().add_(d * c["eps"])
    params.addcmul_(params, c["-lr*decay"] * d).addcmul_(step, c["-lr"] * d)
    length = s.abs().sum(1, keepdim=True)
    torch.maximum(growth, torch.where(length == 0, growth, c["d_coef/d0"] * r / length), out=growth)


rule = Rule(
    name="prodigy",
    page=__doc__,
    hypers={
        "lr": Hyper(default=1.0, low=0, low_open=True, doc="factor on the estimated rate"),
        "beta1": BETA1,
        "beta2": BETA2,
        "d_coef": Hyper(default=1.0, low=0, low_open=True, search=log(0.1, 10.0), doc="factor on the estimate itself"),
        "d0": Hyper(default=1e-6, low=1e-12, high=1.0, doc="first estimate of the distance, far too small"),
        "eps": epsilon(1e-8),
        "weight_decay": weight_decay(0.0),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    coupled=True,
)
