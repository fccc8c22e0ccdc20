"""Once more from the record: train one trial again and compare; show a sweep in MLflow or Optuna again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuner import wiring
from tuner.errors import LeaseError, TunerError, UnknownNameError
from tuner.execution.inline import InlineExecutor
from tuner.launch import best_trial
from tuner.ledger import SqlLedger
from tuner.protocols import Executor
from tuner.tracking import Place, SweepEnd, deliver
from tuner.training import Engine
from tuner.trial import Finished, Paused, Point, Reported, State, Sweep, TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A trial trained again.

    ``difference`` is the largest relative difference between the two curves over the steps that both were evaluated
    at; None where there is no such step.
    """

    state: State
    note: str
    curve: tuple[Point, ...]
    difference: float | None

    def is_same(self, record: TrialRecord, tolerance: float) -> bool:
        """Whether the trial came out as recorded: the same outcome after as many evaluations, the curves this close."""
        alike = (self.state, len(self.curve)) == (record.state, len(record.curve))
        return alike and (self.difference or 0.0) <= tolerance


def rerun(sweep: Sweep, record: TrialRecord) -> Rerun:
    """Train a recorded trial again in this process, from its first step; a pruned or paused one as far as it came.

    Raises as ``wiring.prepare`` does where the sweep's spec or workload is no longer what it was.
    """
    prepared = wiring.recorded(sweep)
    executor: Executor = InlineExecutor(Engine(prepared.workload, prepared.plan, slots=1))
    pause_step = record.step if record.state is State.PAUSED else None
    executor.submit([replace(record.spec, resume_step=0, pause_step=pause_step)])
    pruned_at = record.curve[-1].step if record.state is State.PRUNED and record.curve else None
    if record.state is State.PRUNED and not record.curve:
        executor.stop(record.spec.index)
    curve: list[Point] = []
    while True:
        for event in executor.poll(1.0):
            match event:
                case Reported(step=step, at=at, metrics=metrics):
                    curve.append(Point(step=step, at=at, metrics=metrics))
                    if step == pruned_at:
                        executor.stop(event.trial)
                case Finished(outcome=outcome, note=note):
                    return Rerun(
                        state=outcome, note=note, curve=tuple(curve), difference=difference(record.curve, curve)
                    )
                case Paused():
                    return Rerun(
                        state=State.PAUSED, note="", curve=tuple(curve), difference=difference(record.curve, curve)
                    )


def difference(a: Sequence[Point], b: Sequence[Point]) -> float | None:
    """The largest relative difference between two curves at the steps that both have; None where there is none."""
    ours = {point.step: point.metrics for point in b}
    gaps = [
        abs(value - ours[point.step][name]) / max(abs(value), abs(ours[point.step][name]), 1e-12)
        for point in a
        if point.step in ours
        for name, value in point.metrics.items()
        if name in ours[point.step]
    ]
    return max(gaps, default=None)


def sync(
    sweep: Sweep, ledger: SqlLedger, places: Sequence[Place], output: Path, *, from_start: bool = False
) -> Counter[str]:
    """Deliver to each place what it was not told yet, or everything ``from_start``; what was refused, by reason.

    Raises LeaseError while a driver runs the sweep, which delivers by itself; TunerError where a place is away.
    """
    summary = ledger.summary(sweep.id)
    report = output / sweep.id / "report.html"
    end = SweepEnd(
        at=time.time(),
        complete=summary.status == "done",
        best=best_trial(sweep, ledger.trials(sweep.id, curves=False)),
        artifacts=(report,) if report.exists() else (),
    )
    refused: Counter[str] = Counter()
    try:
        with ledger.lease(sweep.id):
            for place in places:
                delivery = ledger.delivery(sweep.id, str(place))
                if from_start:
                    delivery.rewind()
                refused += deliver(place, delivery, end)
    except LeaseError as error:
        error.add_note("its driver delivers by itself what it records: sync once it has ended")
        raise
    return refused


def trial_of(sweep: Sweep, records: Sequence[TrialRecord], trial: int | None) -> TrialRecord:
    """The trial of that number, or the winner's first for None. Raises TunerError where there is none."""
    if trial is None:
        winner = best_trial(sweep, records)
        if winner is None:
            raise TunerError(f"{sweep.id}: no trial has completed yet, so nothing has won")
        return winner
    for record in records:
        if record.spec.index == trial:
            return record
    raise UnknownNameError(f"trial of {sweep.id}", str(trial), [str(record.spec.index) for record in records])
