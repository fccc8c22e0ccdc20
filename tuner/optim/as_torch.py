"""Any rule as a ``torch.optim.Optimizer``, for a training loop of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from tuner.hyper import complete, find
from tuner.optim.rule import Rule
from tuner.optim.rules import get
from tuner.trial import Value

Coefficients = tuple[tuple[str, ...], Tensor]
"""Names, and as many numbers [C, 1, 1] in float64."""


def as_torch_optimizer(name: str, params: ParamsT, **hypers: Value) -> RuleOptimizer:
    """The rule called ``name`` over ``params`` (tensors, or groups of them with hypers of their own).

    Raises UnknownNameError for the rule, UsageError for a hyper that it does not have, HyperError for a value outside
    its domain.

    >>> w = torch.zeros(3, requires_grad=True)
    >>> optimizer = as_torch_optimizer("adamw", [w], lr=0.1)
    >>> (w.sum() - 1).square().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.1000, 0.1000, 0.1000])
    """
    return RuleOptimizer(name, params, hypers)


class RuleOptimizer(torch.optim.Optimizer):
    """A rule over parameter groups; each hyper is a key of its group, read at every step, so any LR scheduler works.

    State stands with each parameter, or with the first of its group where the rule couples all of a group.
    """

    def __init__(self, name: str, params: ParamsT, hypers: Mapping[str, Value]) -> None:
        self.name = name
        super().__init__(params, complete(name, self.rule.hypers, hypers))

    @property
    def rule(self) -> Rule:
        """The rule that steps."""
        return get(self.name)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; hypers that it does not name are the optimizer's own. Raises as ``as_torch_optimizer``."""
        given = {key: value for key, value in param_group.items() if key != "params"}
        completed = complete(self.name, self.rule.hypers, given)
        own = {name: completed[name] for name, _ in (find(self.name, self.rule.hypers, key) for key in given)}
        super().add_param_group({"params": param_group["params"], **self.defaults, **own})

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "name": self.name}

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step from the gradients in ``.grad``; ``closure``, where given, is called first to compute them."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            coefficients_at = self._coefficients(group)
            for block in self._blocks(group["params"]):
                self._step_block(block, coefficients_at)
        return loss

    def _coefficients(self, group: Mapping[str, Any]) -> Callable[[int], Coefficients]:
        """Step count -> coefficients for the hypers that ``group`` holds now; most parameters share their count."""
        hypers = {name: torch.as_tensor(group[name], dtype=torch.float64, device="cpu") for name in self.rule.hypers}

        @functools.cache
        def at(step: int) -> Coefficients:
            numbers = self.rule.coefficients(hypers, torch.tensor(step, dtype=torch.float64))
            together = torch.stack([torch.as_tensor(c, dtype=torch.float64) for c in numbers.values()])
            return tuple(numbers), together.view(-1, 1, 1)

        return at

    def _blocks(self, params: list[Tensor]) -> list[list[Tensor]]:
        """Parameters that must be stepped as one row."""
        blocks = [params] if self.rule.coupled else [[p] for p in params]
        return [block for block in blocks if any(p.grad is not None for p in block)]

    def _step_block(self, block: list[Tensor], coefficients_at: Callable[[int], Coefficients]) -> None:
        row = torch.cat([p.reshape(-1) for p in block])[None]
        grads = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in block])[None]
        state = self.state[block[0]]
        if not state:
            state.update(self.rule.init(row), step=0)
        state["step"] += 1
        names, numbers = coefficients_at(state["step"])
        self.rule.update(row, grads, state, dict(zip(names, numbers.to(row).unbind(), strict=True)))
        for p, new in zip(block, torch.split(row[0], [p.numel() for p in block]), strict=True):
            p.copy_(new.view_as(p))
