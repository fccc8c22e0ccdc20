"""Tables of learning curves: the three formats say the same, and every wrong row is named."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.errors import SpecError
from tuner.execution.nearest import NearestRows
from tuner.execution.table import CurveTable, load_table
from tuner.trial import Objective

RECORDS = [
    {"optimizer": "sgd", "sgd.lr": 0.5, "nesterov": True, "width": 16, "accuracy": [0.1, 0.2, 0.3], "epochs": 2},
    {"optimizer": "adam", "adam.lr": 1e-3, "width": 32, "accuracy": [0.2, 0.5, 0.4], "epochs": 1.5},
    {"optimizer": "adam", "adam.lr": 1.0, "width": 32, "accuracy": [0.2, math.nan, 0.9], "epochs": 1},
    {"optimizer": "sgd", "sgd.lr": 2.0, "nesterov": False, "width": 16, "accuracy": [0.1, None], "epochs": 1},
]
LAST = Objective(metric="accuracy", direction="maximize")


def write_csv(path: Path, records: list[dict]) -> None:
    columns = list(dict.fromkeys(name for record in records for name in record))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for record in records:
            writer.writerow({k: json.dumps(v) if isinstance(v, list) else v for k, v in record.items()})


def write_json(path: Path, records: list[dict]) -> None:
    path.write_text(json.dumps(records))


def write_parquet(path: Path, records: list[dict]) -> None:
    pd.DataFrame.from_records(records).to_parquet(path)


FORMATS = {".csv": write_csv, ".json": write_json, ".parquet": write_parquet}


def load(folder: Path, records: list[dict], metric: str = "accuracy", ending: str = ".json") -> CurveTable:
    path = folder / f"table{ending}"
    FORMATS[ending](path, records)
    return load_table(path, metric)


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_same_table(tmp_path, ending):
    table = load(tmp_path, RECORDS, ending=ending)
    nan = math.nan
    assert table.hypers == {
        "optimizer": ("sgd", "adam", "adam", "sgd"),
        "sgd.lr": (0.5, None, None, 2.0),
        "nesterov": (True, None, None, False),
        "width": (16, 32, 32, 16),
        "adam.lr": (None, 1e-3, 1.0, None),
    }
    assert {type(value) for value in table.hypers["nesterov"]} == {bool, type(None)}
    np.testing.assert_array_equal(table.curves, [[0.1, 0.2, 0.3], [0.2, 0.5, 0.4], [0.2, nan, nan], [0.1, nan, nan]])
    np.testing.assert_array_equal(table.epochs, [2, 1.5, 1, 1])
    assert (len(table), table.evaluations, table.metric) == (4, 3, "accuracy")
    assert table.params(1) == {"optimizer": "adam", "adam.lr": 1e-3, "width": 32}


def test_values_of_a_run_follow_the_objective(tmp_path):
    table = load(tmp_path, RECORDS)
    np.testing.assert_array_equal(table.finals(LAST), [0.3, 0.4, -math.inf, -math.inf])
    best = Objective(metric="accuracy", direction="maximize", at="best")
    np.testing.assert_array_equal(table.finals(best), [0.3, 0.5, -math.inf, -math.inf])
    least = Objective(metric="accuracy", direction="minimize", at="best")
    np.testing.assert_array_equal(table.finals(least), [0.1, 0.2, math.inf, math.inf])


@pytest.mark.parametrize("ending", FORMATS)
def test_columns_that_are_no_hyperparameters_are_left_out(tmp_path, ending):
    records = [
        {"lr": 0.1 * n, "curve": [0.5, 0.6], "seconds": [1, 2], "seed": n, "repeat": n, "empty": None} for n in (1, 2)
    ]
    table = load(tmp_path, records, metric="loss", ending=ending)
    assert list(table.hypers) == ["lr"]
    np.testing.assert_array_equal(table.curves[0], [0.5, 0.6])
    np.testing.assert_array_equal(table.epochs, [1, 1])


def row(**changes: object) -> dict:
    return {"lr": 0.1, "accuracy": [0.5, 0.6], **changes}


WRONG_ROWS = {
    "no rows": ([], ["no rows"]),
    "no curve": ([{"lr": 0.1, "acuracy": [0.5]}], ["no column 'accuracy'", "did you mean 'acuracy'", "acuracy"]),
    "no lists at all": ([{"lr": 0.1}], ["no column 'accuracy'", "none"]),
    "ragged": ([row(), row(accuracy=[0.5])], ["row 2", "1 evaluations, others 2", "stopped early"]),
    "empty curve": ([row(), row(accuracy=[])], ["row 2", "list of numbers, got an empty list"]),
    "missing curve": ([row(), row(accuracy=None)], ["row 2", "list of numbers, got null"]),
    "number for a curve": ([row(), row(accuracy=0.5)], ["row 2", "list of numbers, got 0.5"]),
    "text in a curve": ([row(accuracy=[0.5, "high"])], ["row 1", "entry 2", "got 'high'"]),
    "truth in a curve": ([row(accuracy=[0.5, True])], ["row 1", "entry 2", "got true"]),
    "list in a curve": ([row(accuracy=[[0.5], 0.5])], ["row 1", "entry 1", "got a list"]),
    "all diverge": ([row(accuracy=[0.5, math.nan])], ["every run diverges"]),
    "infinite hyper": ([row(lr=math.inf)], ["row 1", "'lr'", "finite number", "got inf"]),
    "object for a hyper": ([row(lr={"a": 1})], ["row 1", "'lr'", "got a mapping"]),
    "no epochs": ([row(epochs=1), row()], ["row 2", "'epochs'", "> 0", "got null"]),
    "negative epochs": ([row(epochs=-1)], ["row 1", "'epochs'", "> 0", "got -1"]),
    "huge epochs": ([row(epochs=10**400)], ["row 1", "'epochs'", "> 0"]),
}


@pytest.mark.parametrize("name", WRONG_ROWS)
def test_wrong_rows_are_named(tmp_path, name):
    records, fragments = WRONG_ROWS[name]
    with pytest.raises(SpecError) as error:
        load(tmp_path, records)
    for fragment in ["table.json", *fragments]:
        assert fragment in str(error.value)


def test_many_wrong_rows_are_counted(tmp_path):
    with pytest.raises(SpecError) as error:
        load(tmp_path, [row(), *(row(accuracy=["x", "y"]) for _ in range(25))])
    lines = str(error.value).splitlines()
    assert len(lines) == 11
    assert lines[0].count("row 2") == 1
    assert lines[-1] == "... and 15 more"


WRONG_FILES = {
    "table.xlsx": (b"", ["expected a table ending in .csv, .json, .parquet, got '.xlsx'"]),
    "table": (b"", ["got 'no ending'"]),
    "missing.csv": (None, ["no such file"]),
    "empty.csv": (b"", ["cannot be read", "No columns"]),
    "header.csv": (b"lr,accuracy\n", ["no rows"]),
    "unquoted.csv": (b"lr,accuracy\n0.1,[0.5,0.6]\n", ["cannot be read", "one quoted cell"]),
    "ragged.csv": (b"lr,accuracy\n0.1,0.5\n0.1,[0.5,0.6,0.7]\n", ["cannot be read", "line 3", "one quoted cell"]),
    "latin.csv": ("lr,accuracy\nå,[1]\n".encode("latin-1"), ["cannot be read", "utf-8"]),
    "curve.csv": (b'lr,accuracy\n0.1,"[0.5, 0.6"\n', ["row 1", "got '[0.5, 0.6'"]),
    "broken.json": (b"[{", ["cannot be read"]),
    "deep.json": (b"[" * 100_000, ["cannot be read"]),
    "columns.json": (b'{"lr": [0.1]}', ["expected a list of objects"]),
    "numbers.json": (b"[1, 2]", ["expected a list of objects"]),
    "broken.parquet": (b"PAR1PAR1", ["cannot be read"]),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_files_that_are_no_tables(tmp_path, name):
    content, fragments = WRONG_FILES[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError) as error:
        load_table(path, "accuracy")
    for fragment in [name, *fragments]:
        assert fragment in str(error.value)


def test_a_folder_is_not_a_table(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SpecError, match="is not a file"):
        load_table(tmp_path / "folder.csv", "accuracy")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
records = st.lists(
    st.dictionaries(st.sampled_from(["lr", "accuracy", "epochs", "seed", "x"]), json_values, max_size=5), max_size=4
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records, st.sampled_from([".json", ".csv"]))
def test_any_records_give_a_table_or_a_named_error(tmp_path, records, ending):
    with contextlib.suppress(SpecError):
        table = load(tmp_path, records, ending=ending)
        assert table.curves.shape == (len(records), table.evaluations)
        assert {NearestRows(table).take(params) for params in ({}, table.params(0))} <= set(range(len(table)))


def test_the_example_is_what_its_maker_makes(tmp_path):
    examples = Path(__file__).parents[2] / "examples"
    spec = importlib.util.spec_from_file_location("make_curves", examples / "make_curves.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    maker.main(tmp_path / "curves.csv")
    made, kept = (load_table(folder / "curves.csv", "accuracy") for folder in (tmp_path, examples))
    assert made.hypers == kept.hypers
    # Another machine's rounding may tip a prediction over the threshold: 1 of 400 is 0.0025.
    np.testing.assert_allclose(made.curves, kept.curves, atol=0.0051)
