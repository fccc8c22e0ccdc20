"""How a sweep ended, as the tracking sinks are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuner.trial import TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepEnd:
    """The last word on a sweep. ``at`` is UTC seconds; ``best`` is None where no trial has a value.

    ``complete`` is False for a sweep that was interrupted and may go on; ``summary`` is plain JSON data.
    """

    at: float
    complete: bool
    best: TrialRecord | None = None
    artifacts: tuple[Path, ...] = ()
    summary: Mapping[str, object] = field(default_factory=dict)
