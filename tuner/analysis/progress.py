"""Best so far: what a sweep had found after so many trials, or after so many training steps."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from tuner.analysis.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Three columns of equal length, one row for every ended trial, in the order in which they ended.

    ``trials`` holds the indices of the trials that ended, ``steps`` the training steps spent so far, ``best`` the best
    mean of a wholly completed configuration so far, nan before there is one. A configuration counts when the last of
    its repeats has ended.
    """

    trials: tuple[int, ...]
    steps: tuple[int, ...]
    best: tuple[float, ...]

    @property
    def total_steps(self) -> int:
        """Training steps of all ended trials."""
        return self.steps[-1] if self.steps else 0

    def after_steps(self, steps: int) -> float | None:
        """The best so far when ``steps`` training steps had been spent, None where there was none yet."""
        row = bisect_right(self.steps, steps) - 1
        return self.best[row] if row >= 0 and not math.isnan(self.best[row]) else None


def progress(results: Results) -> Progress:
    """The best of the first objective over the trials that have ended."""
    ended = sorted(
        (record for record in results.records if record.finished_at is not None and record.state.is_outcome),
        key=lambda record: (record.finished_at, record.spec.index),
    )
    owner = {r.spec.index: c.index for c in results.configurations for r in c.trials}
    left = {c.index: len(c.trials) for c in results.configurations}
    steps, best = [], []
    spent, leader = 0, math.nan
    for record in ended:
        spent += record.step
        index = owner[record.spec.index]
        left[index] -= 1
        if left[index] == 0 and index in results.values:
            value = results.values[index]
            leader = value if math.isnan(leader) or results.objective.better(value, leader) else leader
        steps.append(spent)
        best.append(leader)
    return Progress(trials=tuple(r.spec.index for r in ended), steps=tuple(steps), best=tuple(best))
