"""How each optimizer (or schedule) fared: counts of outcomes, the best, the spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.analysis.results import Configuration, Results
from tuner.analysis.statistics import Estimate, Spread, spread
from tuner.trial import State, Sweep, TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One group of configurations. ``diverged`` is a share of the trials that ended, in [0, 1], None where none has.

    ``best`` and ``spread`` are of the first objective over ranked configurations, None where there is none: pruned
    and diverged trials are counted, never averaged.
    """

    name: str
    configurations: int
    trials: int
    completed: int
    pruned: int
    diverged: float | None
    steps: int
    best: Estimate | None
    spread: Spread | None


def summarise(sweep: Sweep, records: Sequence[TrialRecord], key: str) -> list[Summary]:
    """A summary for each value of the parameter ``key`` (``optimizer``, ``schedule``), the best group first."""
    return summaries(Results(sweep, records), key)


def summaries(results: Results, key: str) -> list[Summary]:
    """``summarise``, of results at hand."""
    rank = {name: row for row, name in enumerate(_by_best(results, key))}
    made = [_summary(results, name, members) for name, members in results.groups(key).items()]
    return sorted(made, key=lambda summary: rank.get(summary.name, len(rank)))


def _by_best(results: Results, key: str) -> list[str]:
    return list(dict.fromkeys(str(p.configuration.params.get(key)) for p in results.ranking))


def _summary(results: Results, name: str, members: Sequence[Configuration]) -> Summary:
    states = [trial.state for configuration in members for trial in configuration.trials]
    ended = sum(state.is_outcome for state in states)
    ranked = sorted(
        (configuration for configuration in members if configuration.index in results.values),
        key=lambda configuration: results.cost(configuration, results.objective),
    )
    return Summary(
        name=name,
        configurations=len(members),
        trials=len(states),
        completed=states.count(State.COMPLETED),
        pruned=states.count(State.PRUNED),
        diverged=states.count(State.DIVERGED) / ended if ended else None,
        steps=sum(configuration.steps for configuration in members),
        best=ranked[0].estimates[results.objective.metric] if ranked else None,
        spread=spread([results.values[configuration.index] for configuration in ranked]) if ranked else None,
    )
