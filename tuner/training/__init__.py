"""The engine: trains many trials at once on one device. Torch, safetensors and the standard library only."""

from __future__ import annotations

from tuner.training.checkpointer import Checkpoints
from tuner.training.engine import Engine
from tuner.training.program import warm_up
from tuner.training.recipe import Recipe
from tuner.training.setup import Setup
from tuner.training.slot import Saved

__all__ = ["Checkpoints", "Engine", "Recipe", "Saved", "Setup", "warm_up"]
