"""A sweep's records, grouped into configurations and ranked once, for everything that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.statistics import Estimate, estimate
from tuner.trial import Objective, Params, State, Sweep, TrialRecord, Value

# A configuration stands where its least fortunate repeat stands: one divergence in three runs is a divergence.
_FORTUNE = (State.COMPLETED, State.WAITING, State.RUNNING, State.PAUSED, State.FAILED, State.PRUNED, State.DIVERGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One point of the search space and the trials that were run of it, in order of their index.

    ``estimates`` holds each objective's estimate by metric, over the completed trials that have a value.
    """

    index: int
    params: Params
    state: State
    trials: tuple[TrialRecord, ...]
    estimates: Mapping[str, Estimate]

    @property
    def optimizer(self) -> str:
        """The optimizer's name."""
        return str(self.params.get("optimizer", "unknown"))

    @property
    def schedule(self) -> str:
        """The schedule's name; ``mine.py:wave`` where it lies in a file, wherever that is."""
        name = str(self.params.get("schedule", "constant"))
        return name.rpartition("/")[2] if ":" in name else name

    @property
    def learning_rate(self) -> float | None:
        """The base learning rate, None where the optimizer has none."""
        rate = self.params.get(f"{self.optimizer}.lr")
        return float(rate) if isinstance(rate, int | float) else None

    @property
    def steps(self) -> int:
        """Training steps spent on it, all its trials together."""
        return sum(trial.step for trial in self.trials)

    @property
    def seconds(self) -> float | None:
        """Wall seconds of its trials added up, None where none has ended."""
        known = [trial.seconds for trial in self.trials if trial.seconds is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A configuration's place in the ranking: 1 + the number of configurations that are better.

    With several objectives "better" is Pareto dominance (Fonseca and Fleming, 1993), so rank 1 is the Pareto front;
    with one objective it is the usual rank, where equals share a place.
    """

    rank: int
    configuration: Configuration


@dataclass(frozen=True)
class Results:
    """A sweep and its records (any order). Only completed configurations that have every objective are ranked."""

    sweep: Sweep
    records: Sequence[TrialRecord]

    @property
    def objective(self) -> Objective:
        """The first objective: the one that plots and intervals speak of."""
        return self.sweep.objectives[0]

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """Every configuration, by index."""
        groups: dict[int, list[TrialRecord]] = {}
        for record in sorted(self.records, key=lambda r: r.spec.index):
            groups.setdefault(record.spec.index // self.sweep.repeats, []).append(record)
        return tuple(_configuration(self.sweep, index, trials) for index, trials in groups.items())

    @cached_property
    def ranking(self) -> tuple[Place, ...]:
        """The ranked configurations: by rank, then by the first objective, then by index."""
        metrics = [objective.metric for objective in self.sweep.objectives]
        completed = [c for c in self.configurations if c.state is State.COMPLETED]
        ranked = [c for c in completed if all(metric in c.estimates for metric in metrics)]
        costs = np.array([[self.cost(c, o) for o in self.sweep.objectives] for c in ranked])
        places = [Place(rank=rank, configuration=c) for rank, c in zip(_ranks(costs), ranked, strict=True)]
        return tuple(sorted(places, key=lambda p: (p.rank, self.cost(p.configuration, self.objective))))

    @property
    def winner(self) -> Configuration | None:
        """The first of the ranking, None where nothing is ranked."""
        return self.ranking[0].configuration if self.ranking else None

    @cached_property
    def values(self) -> dict[int, float]:
        """The first objective's mean of every ranked configuration, by configuration index, best first."""
        metric = self.objective.metric
        return {p.configuration.index: p.configuration.estimates[metric].mean for p in self.ranking}

    @cached_property
    def optimizers(self) -> tuple[str, ...]:
        """The names of the optimizers that were tried, sorted."""
        return tuple(sorted({configuration.optimizer for configuration in self.configurations}))

    @cached_property
    def searched(self) -> tuple[str, ...]:
        """The parameters that took more than one value, in the order in which they first appear."""
        seen: dict[str, set[tuple[type, Value]]] = {}
        for configuration in self.configurations:
            for name, value in configuration.params.items():
                seen.setdefault(name, set()).add((type(value), value))
        return tuple(name for name, values in seen.items() if len(values) > 1)

    def count(self, state: State) -> int:
        """How many trials stand at ``state``."""
        return sum(record.state is state for record in self.records)

    def groups(self, key: str) -> dict[str, list[Configuration]]:
        """Configurations by the value of their parameter ``key`` (``optimizer``, ``schedule``), sorted by name."""
        groups: dict[str, list[Configuration]] = {}
        for configuration in self.configurations:
            if key in configuration.params:
                groups.setdefault(str(configuration.params[key]), []).append(configuration)
        return dict(sorted(groups.items()))

    @staticmethod
    def cost(configuration: Configuration, objective: Objective) -> float:
        """The objective's mean turned so that smaller is better."""
        mean = configuration.estimates[objective.metric].mean
        return mean if objective.direction == "minimize" else -mean


def _ranks(costs: NDArray[np.float64]) -> list[int]:
    """1 + the number of rows that dominate each one, of costs [configurations, objectives]."""
    if costs.shape[-1] == 1:  # by sorting: a comparison of all with all is felt at some thousand
        (column,) = costs.T
        return [1 + int(better) for better in np.searchsorted(np.sort(column), column)]
    return [1 + int(((costs <= own).all(1) & (costs < own).any(1)).sum()) for own in costs]


def _configuration(sweep: Sweep, index: int, trials: Sequence[TrialRecord]) -> Configuration:
    states = [trial.state for trial in trials] + [State.WAITING] * (sweep.repeats - len(trials))
    samples = {o.metric: list(_values(trials, o.metric)) for o in sweep.objectives}
    return Configuration(
        index=index,
        params=trials[0].spec.params,
        state=max(states, key=_FORTUNE.index),
        trials=tuple(trials),
        estimates={metric: estimate(sample) for metric, sample in samples.items() if sample},
    )


def _values(trials: Iterable[TrialRecord], metric: str) -> Iterable[float]:
    return (t.values[metric] for t in trials if t.state is State.COMPLETED and metric in t.values)
