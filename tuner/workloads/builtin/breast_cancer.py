"""The diagnosis of breast tumours."""

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


@WORKLOADS.register("breast-cancer")
class BreastCancer(Classification):
    """569 tumours, malignant or benign, by 30 measures of cell nuclei (scikit-learn; Street et al. 1993)."""

    hypers: ClassVar = {
        "width": Hyper(default=16, low=1, integer=True, search=choice(8, 16, 32), doc="units of the hidden layer"),
    }
    default_steps: ClassVar = 200

    def data(self) -> Split:
        """Inputs [N, 30], each feature standardised; labels [N]."""
        return _split()

    def model(self, width: int) -> nn.Module:
        """[N, 30] -> [N, 2]."""
        return mlp(30, width, 1, 2)


@functools.cache
def _split() -> Split:
    return standardise_inputs(stratified_split(*sklearn_table("breast_cancer")))
