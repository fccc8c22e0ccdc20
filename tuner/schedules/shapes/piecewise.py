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
    zero = torch.zeros((), dtype=torch.float64)
    piece = sum(((step >= torch.round(h[name] * total)).double() for name in ("b1", "b2", "b3")), zero)
    heights = (torch.where(piece == place, h[name], 0.0) for place, name in enumerate(("f1", "f2", "f3", "f4")))
    return sum(heights, zero)


def _boundary(ordinal: str, at: float, low: float, high: float) -> Hyper:
    doc = f"share of all steps at the {ordinal} boundary"
    return Hyper(default=at, low=0, high=1, search=uniform(low, high), doc=doc)


def _height(ordinal: str, at: float, low: float, high: float) -> Hyper:
    return Hyper(default=at, low=0, high=1, search=log(low, high), doc=f"factor of the {ordinal} piece")


schedule = Schedule(
    name="piecewise",
    page=__doc__,
    own={
        "b1": _boundary("first", 0.3, 0.1, 0.4),
        "b2": _boundary("second", 0.6, 0.4, 0.7),
        "b3": _boundary("third", 0.8, 0.7, 0.95),
        "f1": Hyper(default=1.0, low=0, high=1, doc="factor of the first piece"),
        "f2": _height("second", 0.2, 0.02, 1.0),
        "f3": _height("third", 0.04, 0.004, 0.4),
        "f4": _height("fourth", 0.008, 0.0008, 0.1),
    },
    shape=shape,
)
