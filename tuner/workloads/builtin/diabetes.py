"""The progress of diabetes, a regression."""

from __future__ import annotations

import functools
from typing import ClassVar

from torch import nn

from tuner.hyper import Hyper, choice
from tuner.workloads.base import Split
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.networks import mlp
from tuner.workloads.sklearn_tables import sklearn_table
from tuner.workloads.splits import random_split, standardise_inputs, standardise_targets
from tuner.workloads.tasks import Regression


@WORKLOADS.register("diabetes")
class Diabetes(Regression):
    """442 patients: the disease's progress in a year, from 10 measures (scikit-learn; Efron et al. 2004)."""

    hypers: ClassVar = {
        "width": Hyper(default=16, low=1, integer=True, search=choice(8, 16, 32), doc="units of the hidden layer"),
    }
    default_steps: ClassVar = 200

    def data(self) -> Split:
        """Inputs [N, 10], each feature standardised; targets [N, 1], standardised as well."""
        return _split()

    def model(self, width: int) -> nn.Module:
        """[N, 10] -> [N, 1]."""
        return mlp(10, width, 1, 1)


@functools.cache
def _split() -> Split:
    inputs, progress = sklearn_table("diabetes")
    return standardise_targets(standardise_inputs(random_split(inputs, progress.unsqueeze(1))))
