"""The optimizer core: every optimizer is a row of coefficients, and one kernel steps a whole population of them.

A rule is one module of ``tuner.optim.rules``; adding one is adding a file.
"""

from __future__ import annotations

from tuner.optim.as_torch import RuleOptimizer, as_torch_optimizer
from tuner.optim.layout import Layout
from tuner.optim.options import Options
from tuner.optim.population import Population
from tuner.optim.rule import Rule, TorchEquivalent
from tuner.optim.rules import get, names, registry
from tuner.optim.stage import Then

__all__ = [
    "Layout",
    "Options",
    "Population",
    "Rule",
    "RuleOptimizer",
    "Then",
    "TorchEquivalent",
    "as_torch_optimizer",
    "get",
    "names",
    "registry",
]
