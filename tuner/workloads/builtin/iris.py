"""The species of iris flowers."""

from __future__ import annotations

import functools
from typing import ClassVar

from torch import nn

from tuner.hyper import Hyper, choice
from tuner.workloads.base import Split
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.networks import mlp
from tuner.workloads.sklearn_tables import sklearn_table
from tuner.workloads.splits import standardise_inputs, stratified_split
from tuner.workloads.tasks import Classification


@WORKLOADS.register("iris")
class Iris(Classification):
    """150 iris flowers of 3 species by 4 lengths (scikit-learn; Fisher 1936): a trial takes a moment."""

    hypers: ClassVar = {
        "width": Hyper(default=16, low=1, integer=True, search=choice(8, 16, 32), doc="units of the hidden layer"),
    }
    default_steps: ClassVar = 200

    def data(self) -> Split:
        """Inputs [N, 4], each feature standardised; labels [N]."""
        return _split()

    def model(self, width: int) -> nn.Module:
        """[N, 4] -> [N, 3]."""
        return mlp(4, width, 1, 3)


@functools.cache
def _split() -> Split:
    return standardise_inputs(stratified_split(*sklearn_table("iris")))
