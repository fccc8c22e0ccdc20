r"""Slowly at first and steeply at the end: a reflected exponential.

.. math:: factor(s) = final + (1 - final) \, \frac{1 - z}{1 - z / 2}, \qquad z = s / total

Reference: Chen, Wolfe and Kyrillidis, "REX: Revisiting Budgeted Training with an Improved Schedule" (MLSys 2022),
section 4.
"""

from __future__ import annotations

from torch import Tensor

from tuner.schedules.schedule import FINAL, Numbers, Schedule, descend, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The reflected exponential's rational form."""
    done = progress(step, total)
    return descend((1.0 - done) / (1.0 - 0.5 * done), h["final"])


schedule = Schedule(
    name="rex",
    page=__doc__,
    own={"final": FINAL},
    shape=shape,
)
