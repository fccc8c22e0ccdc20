r"""Clipping a gradient by its norm, a row at a time.

.. math:: g \leftarrow g \cdot \min\left(1, \frac{\text{limit}}{\lVert g \rVert_2 + 10^{-6}}\right)

as in ``torch.nn.utils.clip_grad_norm_``; Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
networks" (2013), algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def clip_rows_(grads: Tensor, limits: Tensor) -> Tensor:
    """Scale each row of ``grads`` [K, P] in place down to a Euclidean norm of at most ``limits`` [K, 1]."""
    norms = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    return grads.mul_((limits / (norms + 1e-6)).clamp_max_(1.0))
