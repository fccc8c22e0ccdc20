"""How the trials of sweeps stand, and what was best: counted once for each position of a sweep's history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from tuner.ledger.latest import IS_LATEST, JOINED, STATE
from tuner.ledger.schema import attempts, outcomes
from tuner.trial import Metrics, Objective, State

_COUNTS = (
    select(attempts.c.sweep, STATE, func.count().label("trials"))
    .select_from(JOINED)
    .where(IS_LATEST)
    .group_by(attempts.c.sweep, "state")
)

_COMPLETED = select(outcomes.c.sweep, outcomes.c["values"]).where(outcomes.c.outcome == State.COMPLETED)


MANY = 5_000  # sweeps that a statement names; of more, all are counted


@dataclass(frozen=True, slots=True)
class Tally:
    """A sweep's trials by state, every state, and the best value of each objective among those that completed.

    It is true as long as ``recorded`` is the last position that was given out in the sweep's history.
    """

    recorded: int
    counts: Mapping[State, int]
    best: Metrics


class Tallies:
    """What was counted so far, by the keys of sweeps. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[int, Tally] = {}

    def of(self, connection: Connection, sweeps: Sequence[tuple[int, int, tuple[Objective, ...]]]) -> list[Tally]:
        """The tallies of sweeps: each has its key, the last position given out in its history, and its objectives."""
        found = {key: self._known.get(key) for key, _, _ in sweeps}
        stale = [each for each in sweeps if (tally := found[each[0]]) is None or tally.recorded != each[1]]
        if stale:
            counts, values = _counted(connection, [key for key, _, _ in stale])
            for key, recorded, objectives in stale:
                found[key] = self._known[key] = Tally(recorded, counts[key], _best(objectives, values[key]))
        return [tally for tally in found.values() if tally is not None]


def _counted(
    connection: Connection, keys: Sequence[int]
) -> tuple[Mapping[int, Mapping[State, int]], Mapping[int, list[Metrics]]]:
    """Trials by state, and the values of those that completed, of each of these sweeps."""

    def of(query: Select[Any], column: ColumnElement[int]) -> Iterable[Any]:
        return connection.execute(query.where(column.in_(keys)) if len(keys) <= MANY else query).mappings()

    counts: dict[int, dict[State, int]] = defaultdict(lambda: dict.fromkeys(State, 0))
    for row in of(_COUNTS, attempts.c.sweep):
        counts[row["sweep"]][row["state"]] = row["trials"]
    values: dict[int, list[Metrics]] = defaultdict(list)
    for row in of(_COMPLETED, outcomes.c.sweep):
        values[row["sweep"]].append(row["values"])
    return counts, values


def _best(objectives: Sequence[Objective], values: Sequence[Metrics]) -> Metrics:
    best: dict[str, float] = {}
    for objective in objectives:
        seen = [numbers[objective.metric] for numbers in values if objective.metric in numbers]
        if seen:
            best[objective.metric] = min(seen) if objective.direction == "minimize" else max(seen)
    return best
