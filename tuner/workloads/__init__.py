"""What is trained: the data, the model, the loss and the metrics that a user writes, and those that come with tuner.

::

    class Spiral(Classification):
        hypers: ClassVar = {"width": Hyper(default=32, low=1, integer=True, doc="hidden units")}

        def data(self) -> Split: ...
        def model(self, width: int) -> nn.Module: ...
"""

from __future__ import annotations

from tuner.workloads.base import Split, Workload, loss_arguments, model_arguments
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.checks import check_workload
from tuner.workloads.loading import load
from tuner.workloads.tasks import Classification, Regression

__all__ = [
    "WORKLOADS",
    "Classification",
    "Regression",
    "Split",
    "Workload",
    "check_workload",
    "load",
    "loss_arguments",
    "model_arguments",
    "names",
]


def names() -> list[str]:
    """The registered workloads, sorted."""
    return list(WORKLOADS)


from tuner.workloads import builtin  # noqa: E402, F401 - its files register themselves, with the names above
