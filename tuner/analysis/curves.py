"""A sweep's learning curves as a table that ``tuner simulate`` plays."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tuner.errors import TunerError
from tuner.trial import State, Sweep, TrialRecord


def to_curves(sweep: Sweep, records: Sequence[TrialRecord]) -> str:
    """JSON: one object a trial, its parameters by their flat names and a list for each objective's curve.

    Trials that ran to their last evaluation are in it, and those that diverged, their curves ending in null; what was
    pruned or stopped early says too little. Raises TunerError where no trial completed.
    """
    metrics = [objective.metric for objective in sweep.objectives]
    longest = max((len(r.curve) for r in records if r.state is State.COMPLETED), default=0)
    if not longest:
        raise TunerError(f"{sweep.id}: no trial has completed yet, so there is no whole curve to export")
    rows = [
        {
            **{name: value for name, value in record.spec.params.items() if value is not None},
            "seed": record.spec.seed,
            **{metric: _curve(record, metric) for metric in metrics},
        }
        for record in sorted(records, key=lambda r: r.spec.index)
        if record.state is State.DIVERGED or (record.state is State.COMPLETED and len(record.curve) == longest)
    ]
    return json.dumps(rows, indent=1, allow_nan=False) + "\n"


def _curve(record: TrialRecord, metric: str) -> list[float | None]:
    values: list[float | None] = [point.metrics.get(metric) for point in record.curve]
    return [*values, None] if record.state is State.DIVERGED else values
