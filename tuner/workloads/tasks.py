"""Classification and regression: the loss and the metrics that most workloads share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from tuner.hyper import Hyper, choice
from tuner.workloads.base import Workload

LABEL_SMOOTHING = Hyper(
    default=0.0,
    low=0.0,
    high=1.0,
    high_open=True,
    search=choice(0.0, 0.1, 0.2),
    doc="share of the target that is spread evenly over the classes",
)


class Classification(Workload):
    """Outputs are logits [N, ..., classes], targets whole numbers [N, ...] in 0..classes-1.

    The loss is the cross-entropy in nats, with targets smoothed as in Szegedy et al. 2016 (arXiv:1512.00567). Metrics:
    ``loss`` (cross-entropy without smoothing) and ``accuracy`` in [0, 1].
    """

    hypers: ClassVar = {"label_smoothing": LABEL_SMOOTHING}
    metrics: ClassVar = {"accuracy": "maximize"}

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float | Tensor) -> Tensor:
        """Mean smoothed cross-entropy."""
        log_probability = outputs.log_softmax(-1)
        right = log_probability.gather(-1, targets.unsqueeze(-1)).mean()
        return -(right + label_smoothing * (log_probability.mean() - right))

    def measure(self, outputs: Tensor, targets: Tensor) -> Mapping[str, Tensor | float]:
        """Cross-entropy and the share of right answers."""
        return {
            "loss": functional.cross_entropy(outputs.flatten(0, -2), targets.flatten()),
            "accuracy": (outputs.argmax(-1) == targets).float().mean(),
        }


class Regression(Workload):
    """Outputs and targets are numbers of one shape [N, ...].

    The loss is the mean squared error. Metrics: ``loss``, ``mae`` (mean absolute error, in the targets' unit) and
    ``r2`` (share of the validation targets' variance explained: 1 is perfect, 0 is as good as their mean).
    """

    metrics: ClassVar = {"mae": "minimize", "r2": "maximize"}

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error."""
        return _residual(outputs, targets).square().mean()

    def measure(self, outputs: Tensor, targets: Tensor) -> Mapping[str, Tensor | float]:
        """Mean squared error, mean absolute error and the coefficient of determination."""
        residual = _residual(outputs, targets)
        spread = targets - targets.mean(0)
        return {
            "loss": residual.square().mean(),
            "mae": residual.abs().mean(),
            "r2": 1.0 - residual.square().sum() / spread.square().sum(),
        }


def _residual(outputs: Tensor, targets: Tensor) -> Tensor:
    """Outputs minus targets. Raises ValueError where subtracting would broadcast [N, 1] against [N] to [N, N]."""
    if outputs.shape != targets.shape:
        raise ValueError(f"outputs {list(outputs.shape)} and targets {list(targets.shape)} must have one shape")
    return outputs - targets
