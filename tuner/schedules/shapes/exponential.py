r"""The same share of the rate is lost at every step.

.. math:: factor(s) = final^{s / total}

Per step the factor falls by :math:`\gamma = final^{1/total}`. Reference: Li and Arora, "An Exponential Learning Rate
Schedule for Deep Learning" (ICLR 2020), for its use; the form is torch's ExponentialLR.
"""

from __future__ import annotations

from torch import Tensor

from tuner.hyper import Hyper, log
from tuner.schedules.schedule import Numbers, Schedule, progress


def shape(step: Tensor, total: Tensor, h: Numbers) -> Tensor:
    """The final factor, reached evenly on a log scale."""
    return h["final"] ** progress(step, total)


schedule = Schedule(
    name="exponential",
    page=__doc__,
    own={
        "final": Hyper(
            default=0.01, low=0, low_open=True, high=1, search=log(1e-4, 0.5), doc="factor that is left at the end"
        )
    },
    shape=shape,
)
