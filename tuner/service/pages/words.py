"""Moments, states and events as a page says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tuner.analysis import text
from tuner.trial import Checkpointed, Event, Finished, Lost, Metrics, Paused, Proposed, Reported, Started, State

# In the order in which they stand in a bar: what is over first.
_SHARES = (State.COMPLETED, State.PRUNED, State.DIVERGED, State.FAILED, State.RUNNING, State.PAUSED, State.WAITING)
_UNITS = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"))
NOTE = 160  # characters of a note that a line shows


@dataclass(frozen=True, slots=True)
class Share:
    """A stretch of a bar that is 100 long."""

    state: State
    start: float
    width: float


def shares(counts: Mapping[State, int], budget: int | None) -> tuple[Share, ...]:
    """The bar of a sweep: how many of its trials stand where, of ``budget`` (None: of those there are)."""
    whole = max(budget or 0, sum(counts.values()), 1)
    found, start = [], 0.0
    for state in _SHARES:
        width = 100 * counts.get(state, 0) / whole
        if width:
            found.append(Share(state, round(start, 2), round(width, 2)))
        start += width
    return tuple(found)


def moment(at: float, zone: str = "UTC") -> str:
    """A moment as the clocks of a zone show it: ``2026-03-01 14:05 CET``."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")


def iso(at: float) -> str:
    """A moment as machines read it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def ago(at: float, now: float) -> str:
    """``now``, ``5 minutes ago``, ``in 2 days``; days, hours or minutes, rounded down."""
    away = abs(now - at)
    for seconds, unit in _UNITS:
        if away >= seconds:
            told = text.count(int(away // seconds), unit)
            return f"{told} ago" if at < now else f"in {told}"
    return "now"


def happened(event: Event) -> str:
    """What happened to a trial: ``completed after 300 steps: accuracy 0.97``."""
    match event:
        case Proposed(spec=spec) if spec.attempt:
            said = f"waits to go on after step {spec.resume_step:,}"
        case Proposed(spec=spec):
            said = f"proposed: {spec.params.get('optimizer', 'unknown')}, {spec.params.get('schedule', 'constant')}"
        case Started(worker=worker):
            said = f"started on {worker}"
        case Reported(step=step, metrics=metrics):
            said = f"came to step {step:,}{_values(metrics)}"
        case Checkpointed(step=step):
            said = f"was kept after step {step:,}"
        case Paused(step=step, values=values):
            said = f"paused after step {step:,}{_values(values)}"
        case Finished(step=step, outcome=outcome, values=values, note=note):
            said = f"{outcome.value} after {text.count(step, 'step')}{_values(values) or _note(note)}"
        case Lost(reason=reason):
            said = f"was lost{_note(reason)}"
    return said


def _values(of: Metrics) -> str:
    told = ", ".join(f"{text.label(name)} {text.number(value)}" for name, value in of.items())
    return f": {told}" if told else ""


def _note(note: str) -> str:
    lines = note.strip().splitlines()
    return f": {text.label(lines[-1], NOTE)}" if lines else ""
