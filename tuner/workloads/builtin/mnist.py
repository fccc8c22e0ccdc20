"""Handwritten digits of 28x28 pixels, from local files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from tuner.hyper import Hyper, choice
from tuner.workloads.base import Split
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.local_files import check_labels, data_folder, read_idx, read_npz
from tuner.workloads.networks import DROPOUT, convnet
from tuner.workloads.splits import standardise_inputs, stratified_split
from tuner.workloads.tasks import Classification


@WORKLOADS.register("mnist")
class MNIST(Classification):
    """MNIST (LeCun et al. 1998): 60,000 training images, a sixth of them held out; the test images are never read.

    Files: ``mnist/mnist.npz`` with arrays x_train and y_train, or ``mnist/train-images-idx3-ubyte`` and
    ``mnist/train-labels-idx1-ubyte``, plain or gzipped, below TUNER_DATA (or ``data``).
    """

    hypers: ClassVar = {
        "width": Hyper(default=16, low=1, integer=True, search=choice(8, 16, 32), doc="filters of the first layer"),
        "dropout": DROPOUT,
    }
    default_steps: ClassVar = 1000

    def data(self) -> Split:
        """Images [N, 1, 28, 28], all pixels standardised together; labels [N]. Raises WorkloadError for bad files."""
        return _split(data_folder() / "mnist")

    def model(self, width: int, dropout: float) -> nn.Module:
        """[N, 1, 28, 28] -> [N, 10]."""
        return convnet(1, width, 10, dropout)


@functools.cache
def _split(folder: Path) -> Split:
    images, labels = _read(folder)
    return standardise_inputs(stratified_split(images.unsqueeze(1), labels.long(), 1 / 6), over=(0, 2, 3))


def _read(folder: Path) -> tuple[Tensor, Tensor]:
    """Images [N, 28, 28] and labels [N]."""
    archive, label_file = folder / "mnist.npz", folder / "train-labels-idx1-ubyte"
    if archive.exists():
        images, labels = read_npz(archive, "x_train", "y_train")
        check_labels(archive, images, labels)
    else:
        images, labels = read_idx(folder / "train-images-idx3-ubyte", axes=3), read_idx(label_file, axes=1)
        check_labels(label_file, images, labels)
    return images, labels
