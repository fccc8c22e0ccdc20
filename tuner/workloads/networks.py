"""Small networks that the built-in workloads share: plain modules with torch's own initialisation."""

from __future__ import annotations

from torch import nn

from tuner.hyper import Hyper, choice

DROPOUT = Hyper(
    default=0.0, low=0.0, high=1.0, high_open=True, search=choice(0.0, 0.1, 0.3), doc="share of units that is dropped"
)


def mlp(inputs: int, width: int, layers: int, outputs: int, dropout: float = 0.0) -> nn.Sequential:
    """``layers`` hidden layers of ``width`` ReLU units: [N, ...] flattened to [N, inputs] -> [N, outputs]."""
    hidden = [
        part
        for before in [inputs, *[width] * (layers - 1)]
        for part in (nn.Linear(before, width), nn.ReLU(), dropped(dropout))
    ]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, outputs))


def convnet(channels: int, width: int, classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Two 3x3 convolutions of ``width`` and ``2 * width`` filters: images [N, channels, H, W] -> [N, classes].

    Each is followed by ReLU and 2x2 max pooling; H and W are at least 8, and are averaged down to 2x2 at the end.
    """
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        dropped(dropout),
        nn.Linear(2 * width * 4, classes),
    )


def dropped(probability: float) -> nn.Module:
    """Dropout; none at all at 0, so that such a model draws no random numbers."""
    return nn.Dropout(probability) if probability else nn.Identity()
