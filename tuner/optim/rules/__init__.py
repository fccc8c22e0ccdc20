"""Every update rule by name. Each module of this package defines one ``rule`` and is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from tuner.optim.rule import Rule
from tuner.registry import Registry

registry: Registry[Rule] = Registry("optimizer")

for _module in pkgutil.iter_modules(__path__, __name__ + "."):
    _rule: Rule = importlib.import_module(_module.name).rule
    registry.add(_rule.name, _rule)


def names() -> list[str]:
    """The names of all rules, sorted."""
    return list(registry)


def get(name: str) -> Rule:
    """The rule of that name. Raises UnknownNameError with the nearest names."""
    return registry[name]
