r"""What a learning-rate schedule is: a pure function of the step, with an optional linear warmup before its shape.

With W = round(warmup * total) warmup steps, at least one step being left for the shape f(step, total):

.. math::
    factor(s) = \begin{cases}
        \frac{s + 1}{W + 1} f(0, total - W) & s < W \\
        f(s - W, total - W) & s \ge W
    \end{cases}

Reference for the warmup: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (2017), section
2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor

from tuner.hyper import Hyper, find, uniform
from tuner.trial import Value

Numbers = Mapping[str, Tensor]
Shape = Callable[[Tensor, Tensor, Numbers], Tensor]
"""(step >= 0, total steps >= 1, hypers), float64 and broadcasting against each other -> factor >= 0."""

WARMUP = Hyper(
    default=0.0,
    low=0,
    high=1,
    high_open=True,
    search=uniform(0.0, 0.2),
    doc="share of all steps over which the rate first rises in a straight line",
)
FINAL = Hyper(default=0.0, low=0, high=1, search=uniform(0.0, 0.1), doc="factor that is left at the end")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A factor on the base learning rate for any step, counted from 0, without history.

    ``own`` are the hypers of the shape; ``hypers`` those of the schedule, ``warmup`` included.
    """

    name: str
    page: str
    own: Mapping[str, Hyper]
    shape: Shape

    @property
    def doc(self) -> str:
        """The first sentence of ``page``, the schedule's own docstring."""
        return self.page.strip().splitlines()[0]

    @property
    def hypers(self) -> dict[str, Hyper]:
        """Every hyper by name."""
        return {**self.own, "warmup": WARMUP}

    @overload
    def __call__(self, step: float, total_steps: float, **hypers: Value) -> float: ...

    @overload
    def __call__(self, step: Tensor, total_steps: float | Tensor, **hypers: Value | Tensor) -> Tensor: ...

    def __call__(self, step: float | Tensor, total_steps: float | Tensor, **hypers: Value | Tensor) -> float | Tensor:
        """The factor at ``step`` of a run of ``total_steps``: a float, or in float64 for a tensor of steps.

        Tensors broadcast: steps [n] of one run, or step, total and hypers [K] of many. Steps after the last keep the
        last factor. Raises UsageError for an unknown hyper, HyperError for one outside its domain.

        >>> from tuner import schedules
        >>> schedules.get("linear")(25, 100)
        0.75
        >>> schedules.get("linear")(torch.tensor([0.0, 50.0, 100.0]), 100, final=0.5)
        tensor([1.0000, 0.7500, 0.5000], dtype=torch.float64)
        """
        numbers = {name: _number(hyper.default) for name, hyper in self.hypers.items()}
        for key, value in hypers.items():
            name, hyper = find(self.name, self.hypers, key)
            for element in value.flatten().tolist() if isinstance(value, Tensor) else [value]:
                hyper.check(f"{self.name}.{key}", element)
            numbers[name] = _number(value)
        factors = self._factors(_number(step), _number(total_steps), numbers)
        return factors if isinstance(step, Tensor) else factors.item()

    def _factors(self, step: Tensor, total: Tensor, numbers: Numbers) -> Tensor:
        warmup = torch.minimum(torch.round(numbers["warmup"] * total), total - 1.0)
        factors = self.shape((step - warmup).clamp_min(0.0), total - warmup, numbers)
        return factors * ((step + 1.0) / (warmup + 1.0)).clamp_max(1.0)


def progress(step: Tensor, total: Tensor) -> Tensor:
    """How much of the run is done, in [0, 1]."""
    return (step / total).clamp_max(1.0)


def descend(factor: Tensor, final: Tensor) -> Tensor:
    """Raise the floor of a factor in [0, 1] from 0 to ``final``."""
    return final + (1.0 - final) * factor


def _number(value: Value | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)
