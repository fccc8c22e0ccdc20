"""Photographs of 32x32 pixels in ten classes, from local files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from tuner.hyper import Hyper, choice
from tuner.workloads.base import Split
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.local_files import check_labels, data_folder, read_cifar10
from tuner.workloads.networks import DROPOUT, convnet
from tuner.workloads.splits import standardise_inputs, stratified_split
from tuner.workloads.tasks import Classification


@WORKLOADS.register("cifar10")
class CIFAR10(Classification):
    """CIFAR-10 (Krizhevsky 2009): 50,000 training images, a tenth of them held out; the test images are never read.

    Files: ``cifar-10-batches-bin/data_batch_1.bin`` to ``data_batch_5.bin``, the published binary version, below
    TUNER_DATA (or ``data``).
    """

    hypers: ClassVar = {
        "width": Hyper(default=32, low=1, integer=True, search=choice(16, 32, 64), doc="filters of the first layer"),
        "dropout": DROPOUT,
    }
    default_steps: ClassVar = 2000

    def data(self) -> Split:
        """Images [N, 3, 32, 32], each channel standardised; labels [N]. Raises WorkloadError for bad files."""
        return _split(data_folder() / "cifar-10-batches-bin")

    def model(self, width: int, dropout: float) -> nn.Module:
        """[N, 3, 32, 32] -> [N, 10]."""
        return convnet(3, width, 10, dropout)


@functools.cache
def _split(folder: Path) -> Split:
    batches = []
    for path in [folder / f"data_batch_{number}.bin" for number in range(1, 6)]:
        images, labels = read_cifar10(path)
        check_labels(path, images, labels)
        batches.append((images, labels.long()))
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return standardise_inputs(stratified_split(images, labels, 1 / 10), over=(0, 2, 3))
