"""Whether a workload keeps its contract, found out in a moment and before any training."""

from __future__ import annotations

import inspect

from tuner.errors import WorkloadError, suggest
from tuner.hyper import AROUND
from tuner.workloads.base import Workload, hyper_parameters
from tuner.workloads.rehearsal import rehearse

# What every trial has besides its workload's hyperparameters; see the names in tuner.trial.
_RESERVED = {"optimizer", "schedule", "seed", *AROUND}
# What the engine reports of every trial besides its workload's metrics.
_REPORTED = {"train_loss", "lr"}


def check_workload(workload: Workload) -> None:
    """Raise WorkloadError, saying which and where, if ``workload`` breaks its contract.

    What it declares is compared with what its methods take; then the data is made, and a few examples go through the
    model of the default hyperparameters, the loss, its gradient and the metrics. Random states stay as they were.
    """
    name = f"workload {type(workload).__name__}"
    taken = [parameter for method in ("model", "loss") for parameter in _taken(workload, method, name)]
    for hyper_name, hyper in workload.hypers.items():
        place = f"{name}: hypers[{hyper_name!r}]"
        if hyper_name in _RESERVED:
            raise WorkloadError(f"{place}: every trial has a {hyper_name!r} already; choose another name")
        if hyper_name not in [*taken, "batch_size"]:
            raise WorkloadError(f"{place}: neither model nor loss takes it{suggest(hyper_name, taken)}")
        if not hyper.contains(hyper.default):
            raise WorkloadError(f"{place}: expected a default {hyper.expected()}, got {hyper.default!r}")
    for metric, direction in workload.metrics.items():
        if metric in _REPORTED:
            raise WorkloadError(f"{name}: metrics[{metric!r}]: every trial reports it already; choose another name")
        if direction not in ("minimize", "maximize"):
            raise WorkloadError(f"{name}: metrics[{metric!r}]: expected 'minimize' or 'maximize', got {direction!r}")
    rehearse(workload, name)


def _taken(workload: Workload, method: str, name: str) -> list[str]:
    """The names of the hyperparameters that a method takes, each of them declared."""
    parameters = hyper_parameters(type(workload), method)
    for parameter in parameters:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise WorkloadError(f"{name}: {method} takes {parameter}; name each hyperparameter that it takes")
        if parameter.name not in workload.hypers:
            near = suggest(parameter.name, workload.hypers)
            raise WorkloadError(f"{name}: {method} takes {parameter.name!r}, which hypers does not declare{near}")
    return [parameter.name for parameter in parameters]
