r"""Warm up, stay, decay: the base rate for most of the run, then down.

.. math:: factor(s) = final + (1 - final) \, ramp\left(\min\left(1, \frac{1 - s / total}{decay}\right)\right)

The warmup is the hyper that every schedule has; the ramps are linear (x), cosine, exponential, and 1-sqrt
(:math:`1 - \sqrt{1 - x}`). Reference: Hu et al., "MiniCPM: Unveiling the Potential of Small Language Models" (2024),
section 4; the linear and the 1-sqrt decay of Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed
Training Durations" (NeurIPS 2024).
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper, uniform
from tuner.schedules.ramps import ramp, ramp_hyper
from tuner.schedules.schedule import FINAL, Numbers, Schedule, descend, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """Flat, then down."""
    left = ((1.0 - progress(step, total)) / h["decay"]).clamp_max(1.0)
    return descend(ramp(h["tail"], left), h["final"])


schedule = Schedule(
    name="wsd",
    page=__doc__,
    own={
        "decay": Hyper(
            default=0.2,
            low=0,
            low_open=True,
            high=1,
            search=uniform(0.05, 0.5),
            doc="share of all steps that the decay takes",
        ),
        "tail": ramp_hyper("how it decays: this ramp, of what is left of the decay", searched=True),
        "final": FINAL,
    },
    shape=shape,
)
