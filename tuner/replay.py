"""The proposals of a recorded sweep once more: does a fresh sampler, told what was recorded, propose the same?

The ledger holds what was proposed and what was told in one order. So whatever a sampler knew when it was asked has been
told to another one by then, and what it answers must be the same, on any machine and however often the sweep was
interrupted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tuner.protocols import Sampler
from tuner.trial import Event, Finished, Lost, Paused, Proposed, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A proposal that came out otherwise: that of ``trial``, as recorded and as proposed now."""

    trial: int
    recorded: Mapping[str, Value]
    proposed: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Of so many ``proposals`` (configurations, and paused trials that went on) the first ``same`` are the same."""

    proposals: int
    same: int
    differs: Difference | None


def replay(sampler: Sampler, history: Iterable[Event], repeats: int) -> Replay:
    """Tell a fresh sampler the events of a sweep in order, and ask it wherever the sweep asked.

    It stops asking at the first difference: from there on the sampler knows another sweep.
    """
    proposals = same = 0
    differs: Difference | None = None
    going: deque[int] = deque()  # what is to go on with the trial that just did
    for event, was_asked in _asked(history, repeats):
        proposals += was_asked
        if differs is not None:
            continue
        if was_asked and isinstance(event, Proposed):
            recorded, proposed = _recorded(event), _proposed(sampler, event, going)
            if recorded == proposed:
                same += 1
            else:
                differs = Difference(trial=event.trial, recorded=recorded, proposed=proposed)
        sampler.observe(event)
    return Replay(proposals=proposals, same=same, differs=differs)


def _asked(history: Iterable[Event], repeats: int) -> Iterator[tuple[Event, bool]]:
    """Each event, and whether it is what a sampler proposed; a lost attempt was queued again by the driver."""
    paused: set[int] = set()
    for event in history:
        was_asked = False
        match event:
            case Proposed(attempt=0):
                was_asked = event.trial % repeats == 0  # the other repeats come with the first
            case Proposed():
                was_asked = event.trial in paused
        yield event, was_asked
        if isinstance(event, Paused):
            paused.add(event.trial)
        elif isinstance(event, Proposed | Finished | Lost):
            paused.discard(event.trial)


def _recorded(event: Proposed) -> dict[str, Value]:
    if event.attempt:
        return {"goes on": event.trial, "pauses after": event.spec.pause_step}
    return {**event.spec.params, "pauses after": event.spec.pause_step}


def _proposed(sampler: Sampler, event: Proposed, going: deque[int]) -> dict[str, Value]:
    """What the sampler wants now; paused trials go before new configurations, as in the loop of a sweep."""
    if not going:
        going.extend(sampler.promote())
    if going:
        trial = going.popleft()
        return {"goes on": trial, "pauses after": sampler.pause_step(trial)}
    params = sampler.ask()
    return {} if params is None else {**params, "pauses after": sampler.pause_step(event.trial)}
