"""Any rule as a ``torch.optim.Optimizer``, for a training loop of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from tuner.errors import UsageError
from tuner.hyper import complete, find
from tuner.optim.layout import Layout
from tuner.optim.rule import Rule
from tuner.optim.rules import get
from tuner.trial import Value

Coefficients = tuple[tuple[str, ...], Tensor]
"""Names, and as many numbers [C, 1, 1] in float64."""

Closure = Callable[[], float]


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

    State stands with each parameter, or with the first of its group where the rule couples all of a group; it is in
    float32 where the parameters are of half precision. A rule that needs gradients at other points calls the closure
    again at each of them.
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
    def step(self, closure: Closure) -> float: ...

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> float | None:
        """One step from the gradients in ``.grad``; ``closure``, where given, is called first to compute them.

        Raises UsageError where the rule needs gradients at other points and there is no closure.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        elif self.rule.probing:
            raise UsageError(f"{self.name} needs gradients at several points in a step: call step(closure)")
        for group in self.param_groups:
            coefficients_at = self._coefficients(group)
            for block in self._blocks(group["params"]):
                self._step_block(block, coefficients_at, closure)
        return loss

    @contextmanager
    @torch.no_grad()
    def evaluation(self) -> Iterator[None]:
        """Inside, the parameters hold the weights to evaluate, which are not those trained for every rule."""
        name = self.rule.evaluated
        blocks = [b for group in self.param_groups for b in self._blocks(group["params"]) if self.state[b[0]]]
        kept = [[p.clone() for p in block] for block in blocks]
        if name is not None:
            for block in blocks:
                _write(block, self.state[block[0]][name][0])
        try:
            yield
        finally:
            for block, values in zip(blocks, kept, strict=True):
                for p, value in zip(block, values, strict=True):
                    p.copy_(value)

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
        together = self.rule.coupled or self.rule.probing
        blocks = [params] if together else [[p] for p in params]
        return [block for block in blocks if any(p.grad is not None for p in block)]

    def _step_block(
        self, block: list[Tensor], coefficients_at: Callable[[int], Coefficients], closure: Closure | None
    ) -> None:
        row, grads = _flat(block)[None], _flat([_gradient(p) for p in block])[None]
        layout = Layout.of([p.shape for p in block])
        state = self.state[block[0]]
        if not state:
            state.update(self.rule.fresh(row, layout), step=0)
        state["step"] += 1
        names, numbers = coefficients_at(state["step"])

        def probe(points: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:  # noqa: ARG001 - of the one row
            before = [(p.clone(), None if p.grad is None else p.grad.clone()) for p in block]
            _write(block, points[0])
            with torch.enable_grad():
                loss = closure()  # type: ignore[misc] # `step` has seen to it
            found = _flat([_gradient(p) for p in block])[None]
            for p, (value, grad) in zip(block, before, strict=True):
                p.copy_(value)
                p.grad = grad
            return torch.as_tensor(loss).detach().to(row).view(1, 1), found

        self.rule.stepping(layout, probe)(row, grads, state, dict(zip(names, numbers.to(row).unbind(), strict=True)))
        _write(block, row[0])


def _gradient(p: Tensor) -> Tensor:
    return torch.zeros_like(p) if p.grad is None else p.grad


def _flat(block: Sequence[Tensor]) -> Tensor:
    """One row of at least single precision, a copy."""
    row = torch.cat([p.reshape(-1) for p in block])
    return row.float() if row.dtype.itemsize < 4 else row


def _write(block: Sequence[Tensor], row: Tensor) -> None:
    for p, new in zip(block, torch.split(row, [p.numel() for p in block]), strict=True):
        p.copy_(new.view_as(p))
