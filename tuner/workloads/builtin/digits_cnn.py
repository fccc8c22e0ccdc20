"""Handwritten digits of 8x8 pixels, classified by a convolutional network."""

from __future__ import annotations

import functools
from typing import ClassVar

from torch import nn

from tuner.hyper import Hyper, choice
from tuner.workloads.base import Split
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.networks import DROPOUT, convnet
from tuner.workloads.sklearn_tables import sklearn_table
from tuner.workloads.splits import standardise_inputs, stratified_split
from tuner.workloads.tasks import Classification


@WORKLOADS.register("digits-cnn")
class DigitsCNN(Classification):
    """1,797 handwritten digits of 8x8 pixels (scikit-learn; Alpaydin and Kaynak 1998), by a convolutional network."""

    hypers: ClassVar = {
        "width": Hyper(default=16, low=1, integer=True, search=choice(8, 16, 32), doc="filters of the first layer"),
        "dropout": DROPOUT,
    }
    default_steps: ClassVar = 300

    def data(self) -> Split:
        """Images [N, 1, 8, 8], all pixels standardised together; labels [N]."""
        return _split()

    def model(self, width: int, dropout: float) -> nn.Module:
        """[N, 1, 8, 8] -> [N, 10]."""
        return convnet(1, width, 10, dropout)


@functools.cache
def _split() -> Split:
    pixels, labels = sklearn_table("digits")
    return standardise_inputs(stratified_split(pixels.reshape(-1, 1, 8, 8), labels), over=(0, 2, 3))
