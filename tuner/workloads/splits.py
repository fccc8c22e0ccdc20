"""Splitting examples into training and validation once and for all, and standardising them without peeking."""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.workloads.base import Split

# The split is part of a workload's definition, so that results of different sweeps compare: it has no seed to set.
_SPLIT_SEED = 0


def stratified_split(inputs: Tensor, labels: Tensor, valid_fraction: float = 0.2) -> Split:
    """Hold out ``valid_fraction`` of every class, rounded; always the same examples. Labels are whole numbers [N]."""
    classes = [torch.nonzero(labels == label).flatten() for label in torch.unique(labels)]
    return _hold_out(inputs, labels, classes, valid_fraction)


def random_split(inputs: Tensor, targets: Tensor, valid_fraction: float = 0.2) -> Split:
    """Hold out ``valid_fraction`` of the examples, rounded; always the same ones."""
    return _hold_out(inputs, targets, [torch.arange(len(inputs))], valid_fraction)


def _hold_out(inputs: Tensor, targets: Tensor, groups: list[Tensor], valid_fraction: float) -> Split:
    generator = torch.Generator().manual_seed(_SPLIT_SEED)
    held_out = torch.zeros(len(inputs), dtype=torch.bool)
    for group in groups:
        order = torch.randperm(len(group), generator=generator)
        held_out[group[order[: round(valid_fraction * len(group))]]] = True
    return Split(train=(inputs[~held_out], targets[~held_out]), valid=(inputs[held_out], targets[held_out]))


def standardise_inputs(split: Split, over: tuple[int, ...] = (0,)) -> Split:
    """Inputs as float32 with mean 0 and standard deviation 1 on the training examples, taken over the axes ``over``.

    (0,) treats every feature for itself, (0, 2, 3) every channel of images [N, C, H, W]. A constant feature becomes 0.
    """
    (train, train_targets), (valid, valid_targets) = split.train, split.valid
    scale = _Standard(train.float(), over)
    return Split(train=(scale(train), train_targets), valid=(scale(valid), valid_targets))


def standardise_targets(split: Split) -> Split:
    """Targets as float32 with mean 0 and standard deviation 1 on the training examples, every column for itself."""
    (train_inputs, train), (valid_inputs, valid) = split.train, split.valid
    scale = _Standard(train.float(), (0,))
    return Split(train=(train_inputs, scale(train)), valid=(valid_inputs, scale(valid)))


class _Standard:
    """The map that standardises ``sample``."""

    def __init__(self, sample: Tensor, over: tuple[int, ...]) -> None:
        deviation, mean = torch.std_mean(sample, dim=over, correction=0, keepdim=True)
        self._scale = torch.where(deviation > 0, 1.0 / deviation, 0.0)
        self._shift = -mean * self._scale

    def __call__(self, values: Tensor) -> Tensor:
        return torch.addcmul(self._shift, values.float(), self._scale)
