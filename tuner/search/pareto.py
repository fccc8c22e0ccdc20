"""The trials that no other trial beats in every objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.trial import Objective, State, TrialRecord


def pareto_front(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """The completed trials that are not dominated, in the given order.

    One trial dominates another where it is at least as good in every objective and better in one; of equal ones none
    dominates. A trial without a value for every objective is left out.
    """
    complete = [r for r in records if r.state is State.COMPLETED and all(o.metric in r.values for o in objectives)]
    signs = [1.0 if objective.direction == "minimize" else -1.0 for objective in objectives]
    losses = np.array([[r.values[o.metric] for o in objectives] for r in complete]).reshape(-1, len(signs)) * signs
    left = np.lexsort(losses.T)
    front: list[int] = []
    while left.size:
        # The first in lexical order of those left is dominated by none of them; drop what it dominates, and go on.
        best, left = left[0], left[1:]
        front.append(int(best))
        dominated = np.all(losses[best] <= losses[left], axis=1) & np.any(losses[best] < losses[left], axis=1)
        left = left[~dominated]
    return [complete[i] for i in sorted(front)]
