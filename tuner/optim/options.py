"""What a slot may have around its rule, whatever rule it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything is off by default.

    ``sam_rho``: the gradient is taken where the loss is highest within this distance. ``clip_value``,
    ``clip_adaptive``, ``clip_norm``: bounds on the gradient, applied in this order (``tuner.optim.clip``).
    ``decay_exclude``: "vectors" spares parameters of fewer than two dimensions all weight decay. ``lookahead_k``:
    every so many steps the weights return to a slow copy, moved by ``lookahead_alpha`` of the way to them. ``ema``:
    an average of the weights with this decay rate beside them; ``swa``: a plain average of the weights after each
    step from this one on (counted from 1).
    """

    sam_rho: float | None = None
    clip_value: float | None = None
    clip_adaptive: float | None = None
    clip_norm: float | None = None
    decay_exclude: Literal["none", "vectors"] = "none"
    lookahead_k: int | None = None
    lookahead_alpha: float = 0.5
    ema: float | None = None
    swa: int | None = None
