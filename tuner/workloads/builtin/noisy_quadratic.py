"""A quadratic bowl whose gradients are noisy and whose minimum is known exactly."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from tuner.hyper import Hyper
from tuner.workloads.base import Split, Workload
from tuner.workloads.catalog import WORKLOADS

_DIMENSIONS = 32


@WORKLOADS.register("noisy-quadratic")
class NoisyQuadratic(Workload):
    """The noisy quadratic model (Zhang et al. 2019, arXiv:1907.04164): a point walks to the origin of 32 dimensions.

    Training sees ``1/2 (x - noise)^T H (x - noise)`` for noise of mean exactly 0; H is diagonal, its eigenvalues spaced
    evenly in the logarithm from 1 down to 1 / condition. The minimum is x = 0. Metrics: ``loss`` = 1/2 x^T H x, exact
    and 0 at the minimum, and ``distance`` = |x|.
    """

    # They make the problem, so they are there to be set, not to be searched.
    hypers: ClassVar = {
        "condition": Hyper(default=100.0, low=1.0, doc="largest over smallest eigenvalue of H"),
        "noise": Hyper(default=1.0, low=0.0, doc="standard deviation of the noise"),
    }
    metrics: ClassVar = {"distance": "minimize"}
    default_steps: ClassVar = 500

    def data(self) -> Split:
        """Inputs [N, 32]: unit noise to train on, none (a single row of zeros) to validate with. No targets."""
        return _split()

    def model(self, condition: float, noise: float) -> nn.Module:
        """[N, 32] -> [N, 2, 32]: where the point is from each example, and the gradient there."""
        return _Bowl(condition, noise)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: ARG002 - the minimum is known
        """The mean height of the examples' bowls at the point."""
        displacement, gradient = outputs.unbind(1)
        return 0.5 * (displacement * gradient).sum(-1).mean()

    def measure(self, outputs: Tensor, targets: Tensor) -> Mapping[str, Tensor | float]:
        """The height above the minimum, and the distance from it."""
        return {"loss": self.loss(outputs, targets), "distance": outputs[:, 0].norm(dim=-1).mean()}


class _Bowl(nn.Module):
    curvature: Tensor

    def __init__(self, condition: float, noise: float) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.randn(_DIMENSIONS))
        self.register_buffer("curvature", condition ** -torch.linspace(0.0, 1.0, _DIMENSIONS))
        self._noise = noise

    def forward(self, inputs: Tensor) -> Tensor:
        displacement = self.point - self._noise * inputs
        return torch.stack((displacement, self.curvature * displacement), dim=1)


@functools.cache
def _split() -> Split:
    noise = torch.randn(4096, _DIMENSIONS, generator=torch.Generator().manual_seed(0))
    noise -= noise.mean(0)  # the minimum over the training examples is the origin as well
    return Split(train=(noise, torch.zeros(len(noise))), valid=(torch.zeros(1, _DIMENSIONS), torch.zeros(1)))
