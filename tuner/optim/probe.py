r"""Losses and gradients at other points than the parameters, and sharpness-aware minimization, which asks for them.

.. math:: g \leftarrow \nabla f\left(w + \rho \, \frac{\nabla f(w)}{\lVert \nabla f(w) \rVert_2}\right)

Reference: Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving Generalization"
(ICLR 2021), algorithm 1; the norm is that of the whole model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tuner.errors import UsageError

Evaluate = Callable[[Sequence[int]], Tensor]
"""Slots -> their losses [n] at the parameters that stand in their rows now, on this step's batch.

Their gradients there are written to their rows of ``grads``; other rows are left alone.
"""


class RowProbe:
    """A ``tuner.optim.rule.Probe`` over the rows of a population."""

    def __init__(self, params: Tensor, grads: Tensor) -> None:
        self._params, self._grads = params, grads
        self._slots: tuple[int, ...] = ()
        self._evaluate: Evaluate | None = None

    def aim(self, slots: tuple[int, ...], evaluate: Evaluate | None) -> None:
        """Say which slots step now, and who evaluates. Raises UsageError where nobody does."""
        if evaluate is None:
            raise UsageError(
                "a slot's rule or sam_rho needs gradients at other points: call step with evaluate=, "
                "a function from slots to their losses that writes their gradients"
            )
        self._slots, self._evaluate = slots, evaluate

    def __call__(self, points: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Losses [n, 1] and gradients [n, P] of the slots at places ``which`` of those that step, at ``points``."""
        slots = [self._slots[i] for i in which]
        params, grads = self._params[slots], self._grads[slots]
        try:
            self._params[slots] = points.to(params)
            losses = self._evaluate(slots)  # type: ignore[misc] # `aim` was called
            found = self._grads[slots].to(points)
        finally:
            self._params[slots], self._grads[slots] = params, grads
        return losses.detach().to(points).reshape(-1, 1), found


def sharpened(params: Tensor, grads: Tensor, radii: Tensor, probe: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradients of rows [K, P] uphill of ``params`` by ``radii`` [K, 1]; ``probe`` maps points to gradients."""
    norms = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    return probe(params + grads * (radii / norms.clamp_min(1e-12)))
