"""What a client tells of a sweep that no record holds as it is."""

from __future__ import annotations

from tuner.analysis.export import to_yaml
from tuner.analysis.results import Results
from tuner.client.results import Best, Curve
from tuner.errors import TunerError
from tuner.trial import TrialRecord


def best(results: Results) -> Best:
    """The winning configuration. Raises TunerError where no trial has completed yet."""
    sweep, winner = results.sweep, results.winner
    if winner is None:
        raise TunerError(f"{sweep.id}: no trial has completed yet, so nothing has won")
    return Best(
        sweep=sweep.id,
        objectives=sweep.objectives,
        trials=tuple(trial.spec.index for trial in winner.trials),
        values=winner.estimates,
        params=winner.params,
        front=tuple(place.configuration.trials[0].spec.index for place in results.ranking if place.rank == 1),
        space=to_yaml(winner.trials[0]),
    )


def curve(record: TrialRecord, metric: str) -> Curve:
    """A metric of one trial; empty where it was never reported."""
    points = [(point.step, point.metrics[metric]) for point in record.curve if metric in point.metrics]
    return Curve(
        trial=record.spec.index,
        state=record.state,
        optimizer=str(record.spec.params.get("optimizer", "unknown")),
        steps=tuple(step for step, _ in points),
        values=tuple(value for _, value in points),
    )
