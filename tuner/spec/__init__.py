"""What a user asks for: ``load`` reads a sweep's YAML into a frozen, validated ``SweepSpec``."""

from __future__ import annotations

from tuner.spec import options
from tuner.spec.load import from_data, load, parse, renamed
from tuner.spec.models import Budget, ObjectiveSpec, PatienceSpec, SweepSpec
from tuner.spec.resolve import objectives, own_code, refuse_own, search_space, with_references

__all__ = [
    "Budget",
    "ObjectiveSpec",
    "PatienceSpec",
    "SweepSpec",
    "from_data",
    "load",
    "objectives",
    "options",
    "own_code",
    "parse",
    "refuse_own",
    "renamed",
    "search_space",
    "with_references",
]
