"""A table's file as a data frame: CSV, JSON or Parquet by its ending."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from tuner.errors import SpecError


def _read_csv(path: Path) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Pandas only warns, and cuts, where every row has more cells than the header.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(path, index_col=False, dtype_backend="numpy_nullable")
    return frame.apply(_decode_lists)


def _decode_lists(column: pd.Series) -> pd.Series:
    """Text that starts like a JSON list becomes a list; a cell that is no JSON stays text, to be named later."""
    return column.map(_decode_list, na_action="ignore") if pd.api.types.is_string_dtype(column) else column


def _decode_list(cell: str) -> object:
    try:
        return json.loads(cell) if cell.lstrip().startswith("[") else cell
    except ValueError:
        return cell


def _read_json(path: Path) -> pd.DataFrame:
    records = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError('expected a list of objects, [{"lr": 0.1, "accuracy": [0.5, 0.6]}, ...]')
    return pd.DataFrame.from_records(records).astype(object) if records else pd.DataFrame()


def _read_parquet(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path, dtype_backend="numpy_nullable")


READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".parquet": _read_parquet,
}


def read_frame(path: Path) -> pd.DataFrame:
    """The rows of a file, at least one, with nullable columns. Raises SpecError."""
    if path.suffix.lower() not in READERS:
        raise SpecError(f"{path}: expected a table ending in {', '.join(READERS)}, got {path.suffix or 'no ending'!r}")
    if not path.is_file():
        raise SpecError(f"{path}: {'is not a file' if path.exists() else 'no such file'}; expected a table of curves")
    try:
        frame = READERS[path.suffix.lower()](path)
    except (OSError, ValueError, RecursionError, pd.errors.ParserWarning) as error:
        remedy = '; a curve in CSV is one quoted cell, "[0.5, 0.6]"' if path.suffix.lower() == ".csv" else ""
        raise SpecError(f"{path}: cannot be read as a table: {error}{remedy}") from None
    if frame.empty:
        raise SpecError(f"{path}: the table has no rows; expected one row a training run")
    return frame
