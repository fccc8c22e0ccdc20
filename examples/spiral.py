"""A workload of your own: two spirals, told apart by a small network. ``tuner run examples/spiral.yaml`` tunes it."""

import math
from typing import ClassVar

import torch
from torch import nn

from tuner.hyper import Hyper, integer
from tuner.workloads import Classification, Split


class Spiral(Classification):
    hypers: ClassVar = {"width": Hyper(default=32, low=1, integer=True, search=integer(8, 64), doc="hidden units")}

    def data(self) -> Split:
        generator = torch.Generator().manual_seed(0)
        arm = torch.arange(1000) % 2
        radius = torch.rand(1000, generator=generator).sqrt()
        angle = 3 * math.pi * radius + math.pi * arm
        points = torch.stack((radius * angle.cos(), radius * angle.sin()), dim=1)
        points += 0.02 * torch.randn(1000, 2, generator=generator)
        return Split(train=(points[:800], arm[:800]), valid=(points[800:], arm[800:]))

    def model(self, width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2))
