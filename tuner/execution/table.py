"""A table of learning curves: a row is one training run, its hyperparameters beside its curve."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuner.errors import SpecError, suggest
from tuner.execution.frames import read_frame
from tuner.space.problems import brief
from tuner.trial import Objective, Params, Value, wrong_way

CURVE = "curve"
EPOCHS = "epochs"
LABELS = ("seed", "repeat")
SHOWN_PROBLEMS = 10


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class CurveTable:
    """N training runs of E evaluations each.

    ``hypers`` maps a flat parameter name to its N values, None where the row has no such hyperparameter. ``curves``
    [N, E] is the metric at each evaluation, NaN from the evaluation at which a run diverged. ``epochs`` [N] is what
    one evaluation of a row costs. ``source`` is where the table came from, for messages.
    """

    source: str
    metric: str
    hypers: Mapping[str, tuple[Value, ...]]
    curves: NDArray[np.float64]
    epochs: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.curves)

    @property
    def evaluations(self) -> int:
        """Evaluations of a run that does not diverge."""
        return int(self.curves.shape[1])

    def params(self, row: int) -> Params:
        """The hyperparameters that ``row`` has."""
        return {name: values[row] for name, values in self.hypers.items() if values[row] is not None}

    def so_far(self, objective: Objective) -> NDArray[np.float64]:
        """The objective's value [N, E] after each evaluation; NaN from a divergence on."""
        if objective.at == "last":
            return self.curves
        best = np.minimum if objective.direction == "minimize" else np.maximum  # both let NaN through
        return np.asarray(best.accumulate(self.curves, axis=1))

    def finals(self, objective: Objective) -> NDArray[np.float64]:
        """The objective's value [N] of each run trained to its end; the worst there is where it diverged."""
        finals = self.so_far(objective)[:, -1]
        return np.where(np.isnan(finals), wrong_way(objective), finals)


def load_table(path: str | Path, metric: str) -> CurveTable:
    """Read a table of learning curves from a CSV, Parquet or JSON file (docs/simulate.md describes the columns).

    The curve is in the column named ``metric``, or else in the column ``curve``. Raises SpecError, saying file, row
    and column, where the file cannot be read or a row is not a training run.
    """
    path = Path(path)
    frame = read_frame(path)
    columns = {str(name): _cells(frame[name]) for name in frame.columns}
    curve_column = _curve_column(path, columns, metric)
    problems: list[str] = []
    curves = _curves(columns[curve_column], problems)
    epochs = _epochs(columns.get(EPOCHS, [1.0] * len(frame)), problems)
    hypers = {
        name: _values(name, cells, problems)
        for name, cells in columns.items()
        if name not in (curve_column, EPOCHS, *LABELS) and _is_hyper(cells)
    }
    if not problems and not np.isfinite(curves[:, -1]).any():
        problems.append(f"column {curve_column!r}: every run diverges; expected at least one finite curve")
    if problems:
        rest = [f"... and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise SpecError("\n".join([*(f"{path}: {problem}" for problem in problems[:SHOWN_PROBLEMS]), *rest]))
    return CurveTable(source=str(path), metric=metric, hypers=hypers, curves=curves, epochs=epochs)


def _cells(column: pd.Series) -> list[Any]:
    """A column as Python values, None where the cell is empty."""
    objects = column.astype(object)
    cells = objects.where(objects.notna(), None)
    return [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in cells]


def _is_list(cell: object) -> bool:
    return isinstance(cell, list)


def _is_hyper(cells: Sequence[object]) -> bool:
    """Neither empty throughout nor the curves of another metric."""
    return any(cell is not None for cell in cells) and not any(map(_is_list, cells))


def _curve_column(path: Path, columns: Mapping[str, list[Any]], metric: str) -> str:
    for name in (metric, CURVE):
        if name in columns:
            return name
    lists = [name for name, cells in columns.items() if any(map(_is_list, cells))]
    raise SpecError(
        f"{path}: no column {metric!r} (nor {CURVE!r}) with the curves{suggest(metric, lists)};"
        f" columns that hold lists: {', '.join(lists) or 'none'}"
    )


def _is_number(cell: object) -> bool:
    return isinstance(cell, numbers.Real) and not isinstance(cell, bool)


def _curves(cells: Sequence[object], problems: list[str]) -> NDArray[np.float64]:
    """The curves [N, E], NaN-filled after a divergence; what is wrong with a row goes to ``problems``."""
    curves = [_curve(row, cell, problems) for row, cell in enumerate(cells, start=1)]
    lengths = [len(curve) for curve in curves]
    longest = max(lengths)
    filled = np.full((len(curves), longest), np.nan)
    for row, (curve, length) in enumerate(zip(curves, lengths, strict=True)):
        filled[row, :length] = curve
        if 0 < length < longest and math.isfinite(curve[-1]):
            problems.append(
                f"row {row + 1}: the curve has {length} evaluations, others {longest};"
                " leave out runs that were stopped early (one that diverged ends in NaN)"
            )
    diverged = np.logical_or.accumulate(~np.isfinite(filled), axis=1)
    return np.where(diverged, np.nan, filled)


def _curve(row: int, cell: object, problems: list[str]) -> list[float]:
    entries = cell if isinstance(cell, list) else []
    if not entries:
        problems.append(f"row {row}: expected the curve as a list of numbers, got {brief(cell)}")
    for place, entry in enumerate(entries, start=1):
        if entry is not None and not _is_number(entry):
            problems.append(f"row {row}: entry {place} of the curve: expected a number, got {brief(entry)}")
            return []
    return [math.nan if entry is None else _float(entry) for entry in entries]


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number of 309 digits or more
        return math.inf


def _epochs(cells: Sequence[Any], problems: list[str]) -> NDArray[np.float64]:
    for row, cell in enumerate(cells, start=1):
        if not (_is_number(cell) and 0 < _float(cell) < math.inf):
            problems.append(f"row {row}: column {EPOCHS!r}: expected a number > 0, got {brief(cell)}")
    return np.array([1.0 if problems else _float(cell) for cell in cells])


def _values(name: str, cells: Sequence[Any], problems: list[str]) -> tuple[Value, ...]:
    for row, cell in enumerate(cells, start=1):
        if not (cell is None or isinstance(cell, str | bool) or (_is_number(cell) and math.isfinite(_float(cell)))):
            problems.append(f"row {row}: column {name!r}: expected a finite number, text or nothing, got {brief(cell)}")
    return tuple(cells)
