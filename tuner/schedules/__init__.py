"""Learning-rate schedules: every schedule is a pure function of the step.

A schedule is one module of ``tuner.schedules.shapes``; adding one is adding a file.
"""

from __future__ import annotations

from tuner.schedules.as_torch import as_torch_scheduler
from tuner.schedules.schedule import Schedule
from tuner.schedules.shapes import get, names, registry

__all__ = ["Schedule", "as_torch_scheduler", "get", "names", "registry"]
