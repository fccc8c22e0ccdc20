"""What a client's calls give back, where that is not a record of the ledger or of the analysis as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from tuner.analysis.leaderboard import Leaderboard
from tuner.analysis.rungs import Rung
from tuner.analysis.statistics import Estimate
from tuner.analysis.summary import Summary
from tuner.ledger import Acceptance, SweepSummary
from tuner.ledger.jobs import Job
from tuner.ledger.recurring import Overlap
from tuner.trial import Event, Objective, Params, State, Sweep, TrialRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some of a long list. ``next``, given as ``after``, asks for what follows; None where nothing does."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a sweep stands. ``job`` is None where it never was in the queue."""

    summary: SweepSummary
    job: Job | None

    @property
    def word(self) -> str:
        """``queued``, ``running``, ``paused``, ``done``, ``interrupted``, ``failed`` or ``cancelled``."""
        return self.summary.status if self.job is None else self.job.state

    @property
    def is_over(self) -> bool:
        """Whether nothing more is recorded of it unless somebody resumes it."""
        return self.word not in ("queued", "running", "paused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A sweep in full, without its trials. ``job`` is None where it never was in the queue.

    ``optimizers`` are the groups of configurations by optimizer, the best first; ``failure`` is the first trial that
    failed, None where none did; ``accepted`` are the changes that it went on with.
    """

    sweep: Sweep
    summary: SweepSummary
    job: Job | None
    leaderboard: Leaderboard
    optimizers: tuple[Summary, ...]
    rungs: tuple[Rung, ...]
    failure: TrialRecord | None
    accepted: tuple[Acceptance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The winning configuration: its trials, the estimate of each objective by metric, its parameters.

    ``front`` is a trial of each configuration that no other one is better than; ``space`` is the winner as YAML, to
    be the ``space:`` of another spec.
    """

    sweep: str
    objectives: tuple[Objective, ...]
    trials: tuple[int, ...]
    values: Mapping[str, Estimate]
    params: Params
    front: tuple[int, ...]
    space: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One metric of one trial: its ``values`` after so many ``steps``, two lists of equal length."""

    trial: int
    state: State
    optimizer: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event and its position in the sweep's history; give it as ``after`` to hear what follows."""

    position: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A sweep that runs by the calendar; ``says`` is ``cron`` in English, ``next_due`` UTC seconds, None in a pause.

    ``webhook`` is the host that is told how each ended: the rest of its address may be secret.
    """

    name: str
    cron: str
    zone: str
    says: str
    next_due: float | None
    spec_text: str
    owner: str
    priority: int
    target: str
    overlap: Overlap
    catch_up: float
    webhook: str | None
    is_paused: bool
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """Who runs a sweep now: a process on a host, since when, and until when its lease lasts unless it is renewed."""

    sweep: str
    host: str
    pid: int
    since: float
    until: float
