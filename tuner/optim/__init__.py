"""The optimizer core: every optimizer is a row of coefficients, and one kernel steps a whole population of them.

A rule is one module of ``tuner.optim.rules``; adding one is adding a file.
"""

from __future__ import annotations

from tuner.optim.as_torch import RuleOptimizer, as_torch_optimizer
from tuner.optim.population import Population
from tuner.optim.rule import Rule, TorchEquivalent
from tuner.optim.rules import get, names, registry

__all__ = [
    "Population",
    "Rule",
    "RuleOptimizer",
    "TorchEquivalent",
    "as_torch_optimizer",
    "get",
    "names",
    "registry",
]
