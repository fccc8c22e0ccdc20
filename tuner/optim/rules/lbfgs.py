r"""Limited-memory BFGS with a fixed step: a quasi-Newton direction from the last few changes of the gradient.

.. math::
    s_t &= w_t - w_{t-1}, \qquad y_t = g_{t+1} - g_t, \qquad \rho_t = 1 / (y_t^\top s_t) \\
    w_t &= w_{t-1} - lr \, H_t g_t

H is applied by the two-loop recursion over the last ``history_size`` pairs (s, y), starting from
:math:`(s^\top y / y^\top y) I`; a pair with :math:`y^\top s \le 10^{-10}` is not kept. The first step is
:math:`lr \min(1, 1 / \lVert g \rVert_1)` times -g. A slot rests while no entry of its gradient exceeds
``tolerance_grad``, or while its direction goes down by no more than ``tolerance_change``.

State: pairs and their rho (newest first), last gradient and step, scale of H, updates done. The same as torch's LBFGS
with max_iter=1 and no line search. Reference: Liu and Nocedal, "On the limited memory BFGS method for large scale
optimization" (1989); Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, integer
from tuner.optim.hypers import learning_rate
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rule import Numbers, Rule, TorchEquivalent

MOST = 20
"""Most pairs a slot can keep."""


def coefficients(h: Numbers, t: Tensor) -> Coefficients:  # noqa: ARG001 - the same at every step
    """The hypers."""
    return {name: h[name] for name in rule.hypers}


def init(params: Tensor) -> State:
    """Nothing seen yet."""
    slots, size = params.shape
    return {
        "grad": torch.zeros_like(params),
        "last_step": torch.zeros_like(params),
        "y": params.new_zeros(slots, MOST, size),
        "s": params.new_zeros(slots, MOST, size),
        "rho": params.new_zeros(slots, MOST, 1),
        "scale": params.new_ones(slots, 1),
        "updates": params.new_zeros(slots, 1),
    }


def update(params: Tensor, grads: Tensor, state: State, c: Numbers) -> None:
    """One step of every row in place; a row that rests keeps its state."""
    rests = grads.abs().amax(1, keepdim=True) <= c["tolerance_grad"]
    _remember(grads, state, ~rests, c["history_size"])
    direction = _two_loop(grads, state)
    l1 = grads.abs().sum(1, keepdim=True)
    length = torch.where(state["updates"] == 0, c["lr"] * (1.0 / l1).clamp_max_(1.0), c["lr"])
    step = length * direction
    stays = rests | (_dot(grads, direction) > -c["tolerance_change"])
    params.copy_(torch.where(stays, params, params + step))
    for name, new in {"grad": grads, "last_step": step, "updates": state["updates"] + 1}.items():
        state[name].copy_(torch.where(rests, state[name], new))


def _remember(grads: Tensor, state: State, awake: Tensor, history_size: Tensor) -> None:
    """Push the last pair in front of the memory, where there is one and it tells a positive curvature."""
    y, s = grads - state["grad"], state["last_step"]
    ys = _dot(y, s)
    useful = awake & (ys > 1e-10) & (state["updates"] > 0)
    for name, newest in {"y": y, "s": s, "rho": 1.0 / ys}.items():
        pushed = torch.cat([newest[:, None], state[name][:, :-1]], dim=1)
        state[name].copy_(torch.where(useful[..., None], pushed, state[name]))
    state["scale"].copy_(torch.where(useful, ys / _dot(y, y), state["scale"]))
    forgotten = torch.arange(MOST, device=grads.device)[:, None] >= history_size[..., None]
    state["rho"].masked_fill_(forgotten, 0.0)


def _two_loop(grads: Tensor, state: State) -> Tensor:
    """Minus H g. Empty and forgotten places of the memory have rho = 0 and change nothing."""
    y, s, rho = state["y"], state["s"], state["rho"]
    direction = -grads
    shares = []
    for j in range(MOST):
        share = rho[:, j] * _dot(s[:, j], direction)
        direction.addcmul_(y[:, j], share, value=-1.0)
        shares.append(share)
    direction.mul_(state["scale"])
    for j in reversed(range(MOST)):
        correction = rho[:, j] * _dot(y[:, j], direction)
        direction.addcmul_(s[:, j], shares[j] - correction)
    return direction


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each row, [K, 1]."""
    return (a * b).sum(1, keepdim=True)


rule = Rule(
    name="lbfgs",
    page=__doc__,
    hypers={
        "lr": learning_rate(1.0, 1e-2, 1.0),
        "history_size": Hyper(
            default=10, low=1, high=MOST, integer=True, search=integer(3, MOST), doc="pairs of changes remembered"
        ),
        "tolerance_grad": Hyper(default=1e-7, low=0, doc="rest while no gradient entry is larger"),
        "tolerance_change": Hyper(default=1e-9, low=0, doc="rest while the slope along the step is no steeper"),
    },
    coefficients=coefficients,
    init=init,
    update=update,
    full_batch=True,
    coupled=True,
    torch_equivalent=TorchEquivalent(
        optimizer="LBFGS",
        arguments={
            "lr": "lr",
            "history_size": "history_size",
            "tolerance_grad": "tolerance_grad",
            "tolerance_change": "tolerance_change",
        },
        constants={"max_iter": 1},
        state={
            "prev_flat_grad": lambda state, _: state["grad"],
            "H_diag": lambda state, _: state["scale"],
        },
    ),
)
