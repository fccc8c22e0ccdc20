"""The memory of limited-memory BFGS: the last pairs of steps and changes of the gradient, and the direction they tell.

Reference: Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tuner.optim.kernel import State
from tuner.optim.rule import Numbers

MOST = 20
"""Most pairs a slot can keep."""


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


@dataclass(frozen=True)
class Plan:
    """Where each row goes: ``direction`` [K, P], ``lengths`` [K, 1] of a step without search, and which rows do not.

    A row that ``rests`` keeps its state too; one that ``stays`` keeps its parameters.
    """

    direction: Tensor
    lengths: Tensor
    rests: Tensor
    stays: Tensor


def prepare(grads: Tensor, state: State, c: Numbers) -> Plan:
    """Remember the last pair, and find where to go."""
    rests = grads.abs().amax(1, keepdim=True) <= c["tolerance_grad"]
    _remember(grads, state, ~rests, c["history_size"])
    direction = _two_loop(grads, state)
    l1 = grads.abs().sum(1, keepdim=True)
    lengths = torch.where(state["updates"] == 0, c["lr"] * (1.0 / l1).clamp_max_(1.0), c["lr"])
    return Plan(direction, lengths, rests, rests | (dot(grads, direction) > -c["tolerance_change"]))


def advance(params: Tensor, grads: Tensor, state: State, plan: Plan, lengths: Tensor) -> None:
    """Make the step of these lengths [K, 1] in place."""
    step = lengths * plan.direction
    params.copy_(torch.where(plan.stays, params, params + step))
    for name, new in {"grad": grads, "last_step": step, "updates": state["updates"] + 1}.items():
        state[name].copy_(torch.where(plan.rests, state[name], new))


def _remember(grads: Tensor, state: State, awake: Tensor, history_size: Tensor) -> None:
    """Push the last pair in front of the memory, where there is one and it tells a positive curvature."""
    y, s = grads - state["grad"], state["last_step"]
    ys = dot(y, s)
    useful = awake & (ys > 1e-10) & (state["updates"] > 0)
    for name, newest in {"y": y, "s": s, "rho": 1.0 / ys}.items():
        pushed = torch.cat([newest[:, None], state[name][:, :-1]], dim=1)
        state[name].copy_(torch.where(useful[..., None], pushed, state[name]))
    state["scale"].copy_(torch.where(useful, ys / dot(y, y), state["scale"]))
    forgotten = torch.arange(MOST, device=grads.device)[:, None] >= history_size[..., None]
    state["rho"].masked_fill_(forgotten, 0.0)


def _two_loop(grads: Tensor, state: State) -> Tensor:
    """Minus H g. Empty and forgotten places of the memory have rho = 0 and change nothing."""
    y, s, rho = state["y"], state["s"], state["rho"]
    direction = -grads
    shares = []
    for j in range(MOST):
        share = rho[:, j] * dot(s[:, j], direction)
        direction.addcmul_(y[:, j], share, value=-1.0)
        shares.append(share)
    direction.mul_(state["scale"])
    for j in reversed(range(MOST)):
        correction = rho[:, j] * dot(y[:, j], direction)
        direction.addcmul_(s[:, j], shares[j] - correction)
    return direction


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each row, [K, 1]."""
    return (a * b).sum(1, keepdim=True)
