r"""Bounds on a gradient, each slot with limits of its own.

.. math::
    \text{by value:} \quad & g \leftarrow \min(\max(g, -\text{limit}), \text{limit}) \\
    \text{by norm:} \quad & g \leftarrow g \cdot \min\left(1, \frac{\text{limit}}{\lVert g \rVert_2 + 10^{-6}}\right) \\
    \text{adaptive:} \quad & g_i \leftarrow g_i \cdot
        \min\left(1, \text{limit} \, \frac{\max(\lVert w_i \rVert_2, 10^{-3})}{\lVert g_i \rVert_2}\right)
        \quad\text{for each unit } i

By norm as in ``torch.nn.utils.clip_grad_norm_``; Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent
neural networks" (2013), algorithm 1. Adaptive: Brock, De, Smith and Simonyan, "High-Performance Large-Scale Image
Recognition Without Normalization" (2021), section 4.1; a unit is what feeds one output, a vector is one unit, and the
output layer is clipped like the others (the paper spares it).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.optim.layout import Layout


def clip_norms_(grads: Tensor, limits: Tensor) -> None:
    """Scale each row of ``grads`` [K, P] in place down to a Euclidean norm of at most ``limits`` [K, 1]."""
    norms = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    grads.mul_((limits / (norms + 1e-6)).clamp_max_(1.0))


def clip_values_(grads: Tensor, limits: Tensor) -> None:
    """Bound every entry of ``grads`` [K, P] in place to ``-limits`` .. ``limits`` [K, 1]."""
    grads.clamp_(-limits, limits)


def clip_units_(grads: Tensor, limits: Tensor, params: Tensor, layout: Layout) -> None:
    """Scale the gradient of each unit in place down to ``limits`` [K, 1] times the norm of its parameters [K, P]."""
    for part in layout.parts:
        g, w = part.of(grads), part.of(params)
        largest = torch.linalg.vector_norm(w, dim=2, keepdim=True).clamp_min_(1e-3) * limits[..., None]
        norms = torch.linalg.vector_norm(g, dim=2, keepdim=True)
        g.mul_((largest / norms.clamp_min(1e-30)).clamp_max_(1.0))
