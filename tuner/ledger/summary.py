"""A sweep in one line of a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tuner.trial import Metrics, Objective, State

Status = Literal["running", "done", "interrupted", "failed"]  # as drivers record it
SweepState = Literal["queued", "running", "done", "interrupted", "failed", "cancelled"]


def sweep_state(status: Status, job: str | None, *, is_driven: bool) -> SweepState:
    """Where a sweep stands: by what its last driver recorded, the state of its job in the queue, if it has one, and
    whether a driver has it now.
    """
    if is_driven or status == "done":
        return status
    if job == "queued" or (job == "running" and status != "failed"):  # a runner sees to it
        return "queued"
    if job == "cancelled":
        return "cancelled"
    return "interrupted" if status == "running" else status


def recorded_as(wanted: SweepState) -> set[Status]:
    """What may be recorded of a sweep that stands so."""
    match wanted:
        case "running" | "done" | "failed":
            return {wanted}
        case _:
            return {"running", "interrupted", "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSummary:
    """A sweep without its trials.

    ``status`` is "running" only while a driver that is not known to be dead holds the sweep's lease: one that was
    killed has left its sweep "interrupted", or "queued" where a runner will go on with it. ``counts`` has every state,
    ``best`` the best value of each objective (by metric) among completed trials, where there is one; ``budget`` is how
    many trials there may be in all, None without a limit; ``updated_at`` is the time of the last recorded event or
    status.
    """

    id: str
    name: str
    workload: str
    status: SweepState
    created_at: float
    updated_at: float
    objectives: tuple[Objective, ...]
    counts: Mapping[State, int]
    budget: int | None
    best: Metrics

    @property
    def ended(self) -> int:
        """How many trials have their outcome."""
        return sum(count for state, count in self.counts.items() if state.is_outcome)
