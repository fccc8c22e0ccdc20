"""Which row of a table stands for a configuration: the nearest one that is not taken yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tuner.execution.span import span
from tuner.execution.table import CurveTable
from tuner.space import Range
from tuner.space.distributions import is_number
from tuner.trial import Params, Value

# On every axis values lie in [0, 1] or are whole numbers >= 0, and differences count for at most 1: so an absent
# hyperparameter is as far as can be from every present one, and at distance 0 from another absent one.
ABSENT = -1.0
UNKNOWN = -2.0

Axis = Callable[[Value], float]


def _axis(column: Sequence[Value]) -> Axis:
    """Where a value lies on a column's axis."""
    spanned = span(column)
    return _scale(spanned) if isinstance(spanned, Range) else _labels(spanned.ends())


def _scale(spanned: Range) -> Axis:
    """Numbers lie at their part of the range, those outside it at its nearer end."""

    def place(value: Value) -> float:
        if is_number(value):
            return spanned.part(min(max(value, spanned.low), spanned.high))
        return ABSENT if value is None else UNKNOWN

    return place


def _labels(labels: Sequence[Value]) -> Axis:
    """Labels are 1 or more apart."""
    codes: dict[Value, float] = {None: ABSENT} | {label: float(code) for code, label in enumerate(labels)}
    return lambda value: codes.get(value, UNKNOWN)


class NearestRows:
    """Hands out a table's rows, each once until all were handed out, then each once again.

    The distance of two configurations is the sum over the table's columns of: the difference of the numbers, as parts
    of the column's range (in the logarithm where ``span`` says so); 0 or 1 for labels; 1 where only one of the two
    has the hyperparameter, 0 where neither has. The lowest row wins a tie.
    """

    def __init__(self, table: CurveTable) -> None:
        self._axes = {name: _axis(column) for name, column in table.hypers.items()}
        places = [[axis(value) for value in table.hypers[name]] for name, axis in self._axes.items()]
        self._points = np.array(places, dtype=np.float32).reshape(len(places), len(table))
        self._taken = np.zeros(len(table), dtype=np.float32)
        self.handed_out = 0

    def take(self, params: Params) -> int:
        """The nearest row to ``params`` that is still to be had."""
        if self.handed_out and self.handed_out % len(self._taken) == 0:
            self._taken[:] = 0.0
        point = np.array([axis(params.get(name)) for name, axis in self._axes.items()], dtype=np.float32)
        apart = np.abs(self._points - point[:, np.newaxis])
        row = int((np.minimum(apart, 1.0).sum(axis=0) + self._taken).argmin())
        self._taken[row] = np.inf
        self.handed_out += 1
        return row
