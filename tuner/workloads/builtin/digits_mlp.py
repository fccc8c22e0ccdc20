"""Handwritten digits of 8x8 pixels, classified by a multilayer perceptron."""

from __future__ import annotations

import functools
from typing import ClassVar

from torch import nn

from tuner.hyper import Hyper, choice
from tuner.workloads.base import Split
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.networks import DROPOUT, mlp
from tuner.workloads.sklearn_tables import sklearn_table
from tuner.workloads.splits import standardise_inputs, stratified_split
from tuner.workloads.tasks import Classification


@WORKLOADS.register("digits-mlp")
class DigitsMLP(Classification):
    """1,797 handwritten digits of 8x8 pixels (scikit-learn; Alpaydin and Kaynak 1998), by a multilayer perceptron."""

    hypers: ClassVar = {
        "width": Hyper(default=64, low=1, integer=True, search=choice(32, 64, 128), doc="units of a hidden layer"),
        "layers": Hyper(default=2, low=1, integer=True, search=choice(1, 2, 3), doc="hidden layers"),
        "dropout": DROPOUT,
    }
    default_steps: ClassVar = 300

    def data(self) -> Split:
        """Inputs [N, 64], each pixel standardised; labels [N]."""
        return _split()

    def model(self, width: int, layers: int, dropout: float) -> nn.Module:
        """[N, 64] -> [N, 10]."""
        return mlp(64, width, layers, 10, dropout)


@functools.cache
def _split() -> Split:
    return standardise_inputs(stratified_split(*sklearn_table("digits")))
