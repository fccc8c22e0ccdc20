"""What is searched: distributions of parameters, conditional on the chosen optimizer and schedule; presets by name."""

from __future__ import annotations

from tuner.space.build import build, build_branches, build_shared
from tuner.space.distributions import Choice, Distribution, Edge, Fixed, Int, Log, Range, Uniform
from tuner.space.draft import Draft, read
from tuner.space.normal import Normal
from tuner.space.presets import Preset, draft_of, names, preset
from tuner.space.problems import Problems, Source
from tuner.space.space import Branch, Space, Suggest

__all__ = [
    "Branch",
    "Choice",
    "Distribution",
    "Draft",
    "Edge",
    "Fixed",
    "Int",
    "Log",
    "Normal",
    "Preset",
    "Problems",
    "Range",
    "Source",
    "Space",
    "Suggest",
    "Uniform",
    "build",
    "build_branches",
    "build_shared",
    "draft_of",
    "names",
    "preset",
    "read",
]
