"""Optuna's pruners of learning curves, deciding as Optuna's own do, at a cost that does not grow with the sweep.

Optuna's look at every trial of the study at every report. These remember, step by step or rung by rung and in order of
size, what they have been shown: a decision costs a search in a sorted list.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from typing import cast

from optuna import Study, pruners
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from tuner.search.storage import ReplayableStorage


class Percentile(pruners.PercentilePruner):
    """Keeps what is at its best among the best ``percentile`` % of the completed trials at the same step."""

    def __init__(self, percentile: float, startup_trials: int, warmup_steps: int) -> None:
        super().__init__(percentile, startup_trials, warmup_steps)
        self._at: defaultdict[int, list[float]] = defaultdict(list)  # step -> values of completed trials, sorted
        self._seen = 0

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See Optuna's. The study lives in a ReplayableStorage."""
        completed = self._completed(study)
        step = trial.last_step
        if not completed or completed < self._n_startup_trials or step is None or step < self._n_warmup_steps:
            return False
        values, own = self._at.get(step), trial.intermediate_values.values()
        if not values:
            return False
        if study.direction is StudyDirection.MAXIMIZE:
            return max(own) < _quantile(values, (100 - self._percentile) / 100)
        return min(own) > _quantile(values, self._percentile / 100)

    def _completed(self, study: Study) -> int:
        """How many trials have completed, after those that are new were taken in."""
        told = cast("ReplayableStorage", study._storage).completed
        for trial in told[self._seen :]:
            for step, value in trial.intermediate_values.items():
                insort(self._at[step], value)
        self._seen = len(told)
        return self._seen


class SuccessiveHalving(pruners.SuccessiveHalvingPruner):
    """Lets the best 1 / ``factor`` of those that have come to a rung go on to the next."""

    def __init__(self, min_steps: int, factor: int, early_rate: int) -> None:
        super().__init__(min_steps, factor, early_rate)
        self._first, self._factor = min_steps * factor**early_rate, factor
        self._rungs: defaultdict[int, list[float]] = defaultdict(list)  # the values that came to each, sorted
        self._next: dict[int, int] = {}  # trial -> the rung it is on its way to

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See Optuna's."""
        step = trial.last_step
        if step is None:
            return False
        value = trial.intermediate_values[step]
        rung = self._next.get(trial.number, 0)
        while step >= self._first * self._factor**rung:
            came = self._rungs[rung]
            insort(came, value)
            rung = self._next[trial.number] = rung + 1
            best = max(len(came) // self._factor, 1)
            is_worse = value < came[-best] if study.direction is StudyDirection.MAXIMIZE else value > came[best - 1]
            if is_worse:
                return True
        return False


class Hyperband(pruners.HyperbandPruner):
    """Successive halving from several first rungs; which one a trial has follows from its number."""

    def __init__(self, min_steps: int, total_steps: int, factor: int) -> None:
        super().__init__(min_steps, total_steps, factor)
        self._halvings: list[SuccessiveHalving] = []
        self._bracket = min_steps, factor

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """See Optuna's."""
        if not self._halvings:
            self._try_initialization(study)  # how many brackets there are, and how large
            min_steps, factor = self._bracket
            self._halvings = [SuccessiveHalving(min_steps, factor, rate) for rate in range(len(self._pruners))]
        return self._halvings[self._get_bracket_id(study, trial)].prune(study, trial)


def _quantile(ordered: list[float], share: float) -> float:
    """The value at ``share`` of sorted values, interpolated and rounded as NumPy does."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    low, high, part = ordered[below], ordered[min(below + 1, len(ordered) - 1)], place - below
    return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part
