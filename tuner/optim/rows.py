"""Which rows of a population an operation is about, as views where they lie side by side and as copies where not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Rows(Protocol):
    """A choice of rows. ``take`` them, change them in place, ``put`` them back; or go by their ``index``, int64."""

    index: Tensor

    def take(self, tensor: Tensor, dim: int = 0) -> Tensor:
        """The chosen rows of ``tensor`` along ``dim``."""

    def put(self, tensor: Tensor, taken: Tensor) -> None:
        """Write back what ``take(tensor)`` gave; the other rows keep their bits."""


class Span:
    """Neighbouring rows: views, so changes are already in place."""

    def __init__(self, index: Tensor) -> None:
        self.index, self.start, self.length = index, int(index[0]), len(index)

    def take(self, tensor: Tensor, dim: int = 0) -> Tensor:
        """A view."""
        return tensor.narrow(dim, self.start, self.length)

    def put(self, tensor: Tensor, taken: Tensor) -> None:
        """Nothing: ``taken`` is ``tensor``."""


class Scattered:
    """Rows with gaps between them: gathered and scattered."""

    def __init__(self, index: Tensor) -> None:
        self.index = index

    def take(self, tensor: Tensor, dim: int = 0) -> Tensor:
        """A copy."""
        return tensor.index_select(dim, self.index)

    def put(self, tensor: Tensor, taken: Tensor) -> None:
        """Copy back."""
        tensor.index_copy_(0, self.index, taken)


def rows(slots: Sequence[int], device: torch.device) -> Rows:
    """The rows of ``slots``, given in ascending order and not empty."""
    index = torch.tensor(slots, device=device)
    return Span(index) if slots[-1] - slots[0] + 1 == len(slots) else Scattered(index)
