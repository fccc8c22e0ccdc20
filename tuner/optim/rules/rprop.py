r"""Steps of each parameter's own length, which grows while the gradient keeps its sign and shrinks when that flips.

.. math::
    \eta_t &= \operatorname{clip}(\eta_{t-1} \cdot \{\eta^+, \eta^-, 1\}, \eta_{min}, \eta_{max})
              \quad\text{for}\quad g_{t-1} g_t > 0, < 0, = 0; \qquad \eta_0 = lr \\
    g_t &\leftarrow 0 \quad\text{where}\quad g_{t-1} g_t < 0 \\
    w_t &= w_{t-1} - \eta_t \operatorname{sign}(g_t)

Only the gradient's sign counts, so it must not be noisy. lr is where the lengths start: it is read at the first step
alone, and a schedule changes nothing after that. Where step_min exceeds step_max the latter holds. State: last gradient
(0 where it flipped), length. Reference: Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation
Learning: The RPROP Algorithm" (1993), in torch's form, which takes no step back after a flip: iRprop- of Igel and
Hüsken, "Improving the Rprop Learning Algorithm" (2000).

>>> from tuner.optim import as_torch_optimizer
>>> w = torch.tensor([1.0, -3.0], requires_grad=True)
>>> optimizer = as_torch_optimizer("rprop", [w], lr=0.1)
>>> w.square().sum().backward()
>>> optimizer.step()
>>> optimizer.step()
>>> w.detach()
tensor([ 0.7800, -2.7800])
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, uniform
from tuner.optim.hypers import learning_rate
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Rule, TorchEquivalent, kept


def coefficients(h: Numbers, t: Tensor) -> Coefficients:
    """The hypers, the rate at the first step alone."""
    bounds = {name: h[name] for name in ("eta_minus", "eta_plus", "step_min", "step_max")}
    return {"first": torch.where(t == 1, h["lr"], 0.0), **bounds}


def init(params: Tensor) -> State:
    """No gradient yet, and no length: the first step adds it."""
    return {"last": torch.zeros_like(params), "length": torch.zeros_like(params)}


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place."""
    last, length = state["last"], state["length"]
    agreement = grads.sign() * last.sign()
    flipped = agreement < 0
    length.mul_(torch.where(agreement > 0, c["eta_plus"], torch.where(flipped, c["eta_minus"], 1.0)))
    length.add_(c["first"]).clamp_min_(c["step_min"]).clamp_max_(c["step_max"])
    last.copy_(grads.masked_fill(flipped, 0.0))
    params.sub_(length * torch.where(last.isnan(), last, last.sign()))


rule = Rule(
    name="rprop",
    page=__doc__,
    hypers={
        "lr": learning_rate(0.01, 1e-5, 0.1),
        "eta_minus": Hyper(
            default=0.5,
            low=0,
            low_open=True,
            high=1,
            high_open=True,
            search=uniform(0.3, 0.8),
            doc="factor on a length after a flip",
        ),
        "eta_plus": Hyper(
            default=1.2, low=1, low_open=True, search=uniform(1.05, 1.5), doc="factor on a length after agreement"
        ),
        "step_min": Hyper(default=1e-6, low=0, doc="shortest length"),
        "step_max": Hyper(default=50.0, low=0, low_open=True, doc="greatest length"),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    full_batch=True,
    torch_equivalent=TorchEquivalent(
        optimizer="Rprop",
        arguments={"lr": "lr", "etas": ("eta_minus", "eta_plus"), "step_sizes": ("step_min", "step_max")},
        state={"prev": kept("last"), "step_size": kept("length")},
    ),
)
