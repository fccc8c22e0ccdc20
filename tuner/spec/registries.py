"""The registries of optimizers and schedules as a space sees them: names and hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping

from tuner import optim
from tuner import schedules as shapes
from tuner.hyper import Hyper


def optimizers() -> Mapping[str, Mapping[str, Hyper]]:
    """Every optimizer's hyperparameters."""
    return {name: optim.get(name).hypers for name in optim.names()}


def schedules() -> Mapping[str, Mapping[str, Hyper]]:
    """Every schedule's hyperparameters."""
    return {name: shapes.get(name).hypers for name in shapes.names()}
