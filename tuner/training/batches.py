"""Which examples a step trains on: a pure function of (seed, step), so a trial's data depends on nothing around it."""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.trial import derive_seed


class BatchOrder:
    """Minibatches without replacement: each epoch is a fresh permutation keyed by (seed, epoch).

    ``batch_size`` larger than ``examples`` means the whole set. The remainder of an epoch that does not fill a batch
    is left out (it differs from epoch to epoch), so every step sees exactly ``batch_size`` examples.
    """

    def __init__(self, seed: int, examples: int, batch_size: int) -> None:
        self.batch_size = min(batch_size, examples)
        self._seed = seed
        self._examples = examples
        self._per_epoch = examples // self.batch_size
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.long)

    def at(self, step: int) -> Tensor:
        """Indices [batch_size] of the examples of 0-based ``step``."""
        epoch, batch = divmod(step, self._per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(derive_seed(self._seed, "order", epoch))
            self._order = torch.randperm(self._examples, generator=generator)
            self._epoch = epoch
        return self._order[batch * self.batch_size : (batch + 1) * self.batch_size]
