r"""A straight line from the base rate down to its end.

.. math:: factor(s) = final + (1 - final) (1 - s / total)

Reference: Li et al., "Budgeted Training: Rethinking Deep Neural Network Training Under Resource Constraints" (ICLR
2020), section 3.
"""

from __future__ import annotations

from torch import Tensor

from tuner.schedules.schedule import FINAL, Numbers, Schedule, descend, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """What is left of the run."""
    return descend(1.0 - progress(step, total), h["final"])


schedule = Schedule(
    name="linear",
    page=__doc__,
    own={"final": FINAL},
    shape=shape,
)
