"""Every schedule by name. Each module of this package defines one ``schedule`` and is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from tuner.registry import Registry
from tuner.schedules.schedule import Schedule

registry: Registry[Schedule] = Registry("schedule")

for _module in pkgutil.iter_modules(__path__, __name__ + "."):
    _schedule: Schedule = importlib.import_module(_module.name).schedule
    registry.add(_schedule.name, _schedule)


def names() -> list[str]:
    """The names of all schedules, sorted."""
    return list(registry)
