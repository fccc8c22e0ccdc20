"""A sweep taken elsewhere: every trial as CSV, one configuration as a spec fragment."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import yaml

from tuner.analysis import text
from tuner.hyper import AROUND, DRIVE, THEN
from tuner.trial import Params, Sweep, TrialRecord, Value, owned

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(sweep: Sweep, records: Sequence[TrialRecord]) -> str:
    """One row a trial, by index, under one header row, as RFC 4180 has it.

    Columns: trial, configuration, repeat, state, ``values.<metric>``, ``params.<name>``, steps, seconds, note. An
    empty cell is a value or a parameter that the trial does not have; ``null`` is one that is off. Text that a
    spreadsheet would take for a formula has a ``'`` put in front.
    """
    ordered = sorted(records, key=lambda record: record.spec.index)
    metrics = list(dict.fromkeys([o.metric for o in sweep.objectives] + [m for r in ordered for m in r.values]))
    params = list(dict.fromkeys(name for record in ordered for name in record.spec.params))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        [
            *("trial", "configuration", "repeat", "state"),
            *(f"values.{metric}" for metric in metrics),
            *(f"params.{name}" for name in params),
            *("steps", "seconds", "note"),
        ]
    )
    for record in ordered:
        configuration, repeat = divmod(record.spec.index, sweep.repeats)
        given = record.spec.params
        writer.writerow(
            [
                *(record.spec.index, configuration, repeat, record.state.value),
                *(record.values.get(metric, "") for metric in metrics),
                *(_cell(given[name]) if name in given else "" for name in params),
                *(record.step, "" if record.seconds is None else record.seconds, _cell(record.note)),
            ]
        )
    return out.getvalue()


def to_yaml(record: TrialRecord) -> str:
    """The trial's configuration as the ``space:`` of a spec, every value fixed."""
    return yaml.safe_dump({"space": _nested(record.spec.params)}, sort_keys=False, allow_unicode=True)


def _nested(params: Params) -> dict[str, object]:
    """Flat parameters as the nested mapping that a spec has."""
    branches = {branch: str(params[branch]) for branch in ("optimizer", "schedule")}
    around = {name: value for name, value in params.items() if name in AROUND}
    own = {n: v for n, v in params.items() if "." not in n and n not in branches and n not in around}
    chosen = {branch: {name: owned(params, name)} for branch, name in branches.items()}
    drives = _nested_drives(owned(params, DRIVE.removesuffix(".")))
    then = _nested_then(owned(params, THEN.removesuffix(".")))
    return {**chosen, **drives, **then, **around, "workload": own}


def _nested_drives(given: Params) -> dict[str, object]:
    """Schedules on other hyperparameters, where there are any."""
    chosen = {name: str(schedule) for name, schedule in given.items() if "." not in name}
    drives = {name: {schedule: owned(owned(given, name), schedule)} for name, schedule in chosen.items()}
    return {"drives": drives} if drives else {}


def _nested_then(given: Params) -> dict[str, object]:
    """The optimizer that takes over, where one does."""
    if not given:
        return {}
    name = str(given["optimizer"])
    return {"then": {"at": given["at"], "optimizer": {name: owned(given, name)}}}


def _cell(value: Value) -> Value:
    """A cell that reads back as it was: text that looks like a formula is quoted, null and booleans are spelt out."""
    if value is None or isinstance(value, bool):
        return text.value(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
