"""Any schedule as a torch LR scheduler, for a training loop of one's own."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from tuner.schedules.shapes import get
from tuner.trial import Value


def as_torch_scheduler(name: str, optimizer: Optimizer, total_steps: int, **hypers: Value) -> LambdaLR:
    """The schedule called ``name`` over ``total_steps`` calls of its ``step``, on the rates that ``optimizer`` has now.

    Raises UnknownNameError for the schedule, UsageError for a hyper that it does not have, HyperError for a value
    outside its domain.
    """
    schedule = get(name)
    return LambdaLR(optimizer, lambda step: schedule(step, total_steps, **hypers))
