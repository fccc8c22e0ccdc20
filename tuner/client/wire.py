"""Errors and events as the service sends them: RFC 9457 problems and tagged JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tuner.errors import (
    ConflictError,
    ExecutorError,
    LeaseError,
    SpecError,
    StoreError,
    TunerError,
    UnknownNameError,
    UsageError,
    WorkloadError,
)
from tuner.trial import Checkpointed, Event, Finished, Lost, Paused, Proposed, Reported, Started, State, TrialSpec

PROBLEM = "urn:tuner:problem:"  # what the type of a problem begins with; the last word says which error it is
_WORDS: Mapping[str, type[TunerError]] = {
    "unknown-name": UnknownNameError,
    "spec": SpecError,
    "usage": UsageError,
    "workload": WorkloadError,
    "lease": LeaseError,
    "conflict": ConflictError,
    "store": StoreError,
    "executor": ExecutorError,
    "failed": TunerError,
}
EVENTS: Mapping[str, type[Event]] = {
    kind.__name__.lower(): kind for kind in (Proposed, Started, Reported, Checkpointed, Paused, Finished, Lost)
}


def problem(error: TunerError) -> dict[str, object]:
    """What a problem says of an error besides its status: ``type`` and ``detail``, and what the error is made of."""
    word = next(word for word, kind in _WORDS.items() if isinstance(error, kind))
    told: dict[str, object] = {"type": PROBLEM + word, "detail": str(error)}
    if isinstance(error, UnknownNameError):
        told |= {"kind": error.kind, "name": error.name, "known": list(error.known)}
    return told


def error(told: Mapping[str, Any]) -> TunerError:
    """The error that a problem tells of; one of the service's own (no token, too large, ...) is a TunerError."""
    word = str(told.get("type", "")).removeprefix(PROBLEM)
    if word == "unknown-name":
        return UnknownNameError(told["kind"], told["name"], told["known"])
    return _WORDS.get(word, TunerError)(str(told.get("detail") or told.get("title") or "the service refused"))


def tag(event: Event) -> str:
    """The word for an event's kind: ``reported``."""
    return type(event).__name__.lower()


def encode(event: Event) -> dict[str, Any]:
    """The event's own fields as JSON has them."""
    return asdict(event)


def decode(kind: str, fields: Mapping[str, Any]) -> Event:
    """The event of that kind with those fields."""
    if kind == "proposed":
        return Proposed(spec=TrialSpec(**fields["spec"]), at=fields["at"])
    if kind == "finished":
        return Finished(**{**fields, "outcome": State(fields["outcome"])})
    return EVENTS[kind](**fields)
