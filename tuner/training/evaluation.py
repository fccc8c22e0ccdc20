"""Metrics on the validation set, of many trials at once where the model and the metrics can be batched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor
from torch.func import vmap

from tuner.training.keyed import device_generator
from tuner.training.memory import explained, is_out_of_memory
from tuner.training.pace import ONE_BY_ONE

if TYPE_CHECKING:
    from tuner.training.slot import Slot
    from tuner.training.structure import Structure

T = TypeVar("T")

Found = dict["Slot", "dict[str, float] | str"]


@torch.no_grad()
def evaluate(
    structure: Structure, weights: Mapping[Slot, Mapping[str, Tensor]], buffers: Mapping[Slot, Sequence[Tensor]]
) -> Found:
    """Each trial's metrics by its sets of weights [P], or the traceback of what the user's code raised.

    The first set is called "": its metrics keep their names, those of others are named ``<set>_<metric>``.
    """
    names = [(slot, name) for slot, sets in weights.items() for name in sets]
    params = [weights[slot][name] for slot, name in names]
    constants = [buffers[slot] for slot, _ in names]
    measured = _together(structure, params, constants) or [
        _alone(structure, p, own) for p, own in zip(params, constants, strict=True)
    ]
    found: Found = {slot: {} for slot in weights}
    for (slot, name), values in zip(names, measured, strict=True):
        known = found[slot]
        if isinstance(values, str) or isinstance(known, str):
            found[slot] = values if isinstance(values, str) else known
        else:
            known.update({f"{name}_{metric}" if name else metric: value for metric, value in values.items()})
    return found


def _together(
    structure: Structure, params: Sequence[Tensor], buffers: Sequence[Sequence[Tensor]]
) -> list[dict[str, float] | str] | None:
    """All in one program; None where that cannot be, or is not worth it."""
    if not structure.evaluates_together or structure.pace.last in ONE_BY_ONE:
        return None
    try:
        return _within_memory(structure, lambda: _in_groups(structure, params, buffers))
    except (Exception, SystemExit):  # noqa: BLE001 - one by one, the fault shows whose it is
        structure.evaluates_together = False
        return None


def _in_groups(
    structure: Structure, params: Sequence[Tensor], buffers: Sequence[Sequence[Tensor]]
) -> list[dict[str, float] | str]:
    """As many models at once as fit into a batch; however many, each sees the examples in the same parts."""
    inputs, targets = structure.feed.valid
    parts = torch.split(inputs, structure.evaluation_batch)
    size = max(1, structure.evaluation_batch // max(1, len(parts[0])))
    measured: list[dict[str, float] | str] = []
    for first in range(0, len(params), size):
        rows = torch.stack(list(params[first : first + size]))
        constants = [torch.stack(one) for one in zip(*buffers[first : first + size], strict=True)]
        outputs = torch.cat([structure.program.outputs(rows, constants, part) for part in parts], dim=1)
        measured += _measured(structure, outputs, targets)
    return measured


def _measured(structure: Structure, outputs: Tensor, targets: Tensor) -> list[dict[str, float] | str]:
    """Metrics of outputs [n, N, ...], in one go where they are plain tensor arithmetic."""
    if structure.measures_together:
        try:
            metrics = vmap(structure.workload.measure, in_dims=(0, None))(outputs, targets)
            columns = {name: torch.as_tensor(values).tolist() for name, values in metrics.items()}
            return [{name: float(values[k]) for name, values in columns.items()} for k in range(len(outputs))]
        except (Exception, SystemExit):  # noqa: BLE001 - numbers that are no tensors, or torch cannot batch them: one by one
            structure.measures_together = False
    return [_guarded(structure, lambda own=own: own, targets) for own in outputs]  # type: ignore[misc]


def _alone(structure: Structure, params: Tensor, buffers: Sequence[Tensor]) -> dict[str, float] | str:
    """One set of weights by itself."""
    inputs, targets = structure.feed.valid

    def outputs() -> Tensor:
        parts = torch.split(inputs, structure.evaluation_batch)
        return torch.cat([structure.program.output(params, buffers, part) for part in parts])

    return _guarded(structure, lambda: _within_memory(structure, outputs), targets)


def _within_memory(structure: Structure, run: Callable[[], T]) -> T:
    """What ``run`` gives, after halving the evaluation's batch as long as there is no memory for it."""
    while True:
        try:
            return run()
        except Exception as error:
            if structure.evaluation_batch == 1 or not is_out_of_memory(error):
                raise
        structure.evaluation_batch //= 2


def _guarded(structure: Structure, outputs: Callable[[], Tensor], targets: Tensor) -> dict[str, float] | str:
    device_generator(targets.device).manual_seed(0)  # for what is random in a model even now
    try:
        metrics: Mapping[str, Tensor | float] = structure.workload.measure(outputs(), targets)
        return {name: float(value) for name, value in metrics.items()}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code may raise anything; it is this trial's outcome
        return explained(error)
