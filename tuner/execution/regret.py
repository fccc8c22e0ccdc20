"""How far from the table's best a search still was, by the epochs it had spent."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.execution.simulated import Evaluation
from tuner.execution.table import CurveTable
from tuner.trial import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class RegretPoint:
    """The incumbent after ``epochs`` epochs: the trial whose objective looked best so far, playing ``row``.

    ``regret`` >= 0 is what is lost by training the incumbent to its end rather than the table's best row; infinite
    where its row diverges in the end.
    """

    epochs: float
    trial: int
    row: int
    regret: float


def regret(table: CurveTable, played: Sequence[Evaluation], objective: Objective) -> list[RegretPoint]:
    """The incumbent's regret after 1, 2, 5, 10, 20, 50, ... full trainings' worth of epochs, and at the end.

    Budgets at which every trial so far had diverged are left out.
    """
    if not played:
        return []
    trials, rows, numbers = np.array(played).T
    sign = 1.0 if objective.direction == "minimize" else -1.0
    so_far = sign * table.so_far(objective)
    finals = sign * table.finals(objective)
    spent = np.cumsum(table.epochs[rows])
    full_training = float(table.epochs.mean()) * table.evaluations
    points = []
    for budget in _budgets(full_training, float(spent[-1])):
        seen = int(np.searchsorted(spent, budget, side="right"))
        last = dict(zip(trials[:seen].tolist(), range(seen), strict=True))  # a trial's last evaluation so far
        places = np.array(list(last.values()))
        values = so_far[rows[places], numbers[places]]
        if np.isnan(values).all():
            continue
        place = places[np.nanargmin(values)]
        row = int(rows[place])
        lost = float(finals[row] - finals.min())
        points.append(RegretPoint(epochs=budget, trial=int(trials[place]), row=row, regret=lost))
    return points


def _budgets(unit: float, total: float) -> Iterator[float]:
    """1, 2, 5, 10, ... times ``unit`` below ``total``, then ``total``."""
    series = (unit * digit * 10.0**power for power in itertools.count() for digit in (1, 2, 5))
    yield from itertools.takewhile(lambda budget: budget < total and not math.isclose(budget, total), series)
    yield total
