"""The small data sets that are part of scikit-learn's package: they need no network."""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.errors import WorkloadError


def sklearn_table(name: str) -> tuple[Tensor, Tensor]:
    """Inputs [N, features] as float32 and targets [N] in their own type, of ``sklearn.datasets.load_<name>``."""
    try:
        from sklearn import datasets  # noqa: PLC0415 - tuner.workloads itself needs torch alone
    except ImportError:
        raise WorkloadError(f"data set {name}: scikit-learn is not installed; pip install scikit-learn") from None
    inputs, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
    return torch.from_numpy(inputs).float(), torch.from_numpy(targets)
