"""The engine: trains many trials at once on one device. Torch and the standard library only."""

from __future__ import annotations

from tuner.training.engine import Engine
from tuner.training.recipe import Recipe

__all__ = ["Engine", "Recipe"]
