"""A sweep in one line of a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tuner.trial import Metrics, Objective, State

Status = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSummary:
    """A sweep without its trials.

    ``counts`` has every state, ``best`` the best value of each objective (by metric) among completed trials, where
    there is one; ``updated_at`` is the time of the last recorded event or status.
    """

    id: str
    name: str
    workload: str
    status: Status
    created_at: float
    updated_at: float
    objectives: tuple[Objective, ...]
    counts: Mapping[State, int]
    best: Metrics
