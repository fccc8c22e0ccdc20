r"""Four constant pieces: where each ends and how high it is are free.

.. math:: factor(s) = f_{1 + \#\{i : s \ge round(b_i \cdot total)\}}

Boundaries count by their size, whatever their order. A table of any length is ``tuner.schedules.from_table``.
Reference: the form is the piecewise constant schedule of optax and Keras, with shares of the run for steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.hyper import Hyper, log, uniform
from tuner.schedules.schedule import Numbers, Schedule


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The height of the piece that the step lies in; the last stays."""
    step = torch.minimum(step, total - 1.0)
    piece = sum((step >= torch.round(h[name] * total)).double() for name in ("b1", "b2", "b3"))
    heights = (torch.where(piece == place, h[name], 0.0) for place, name in enumerate(("f1", "f2", "f3", "f4")))
    return sum(heights, torch.zeros((), dtype=torch.float64))


def _boundary(at: float, ordinal: str) -> Hyper:
    return Hyper(
        default=at,
        low=0,
        high=1,
        search=uniform(at - 0.2, at + 0.2),
        doc=f"share of all steps at the {ordinal} boundary",
    )


def _height(at: float, ordinal: str) -> Hyper:
    return Hyper(
        default=at, low=0, high=1, search=log(0.1 * at, min(1.0, 10.0 * at)), doc=f"factor of the {ordinal} piece"
    )


schedule = Schedule(
    name="piecewise",
    page=__doc__,
    own={
        "b1": _boundary(0.3, "first"),
        "b2": _boundary(0.6, "second"),
        "b3": _boundary(0.8, "third"),
        "f1": Hyper(default=1.0, low=0, high=1, doc="factor of the first piece"),
        "f2": _height(0.2, "second"),
        "f3": _height(0.04, "third"),
        "f4": _height(0.008, "fourth"),
    },
    shape=shape,
)
