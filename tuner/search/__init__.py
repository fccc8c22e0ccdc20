"""What to try next and what to stop: Optuna behind the Sampler protocol; importances of records."""

from __future__ import annotations

import optuna

from tuner.search.importance import importances
from tuner.search.pruners import PRUNERS
from tuner.search.samplers import SAMPLERS
from tuner.search.search import Search, make_search

# The ledger and the console tell what happens to trials; Optuna need not tell it a second time.
optuna.logging.set_verbosity(optuna.logging.WARNING)

__all__ = ["PRUNERS", "SAMPLERS", "Search", "importances", "make_search"]
