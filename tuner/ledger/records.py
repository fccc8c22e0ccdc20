"""Trials as the ledger gives them back: the latest attempt, its state and the trial's curve.

A trial's note is its outcome's; where the latest attempt was lost, it says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, select, true

from tuner.errors import UnknownNameError
from tuner.ledger.latest import IS_LATEST, JOINED, STATE, STEP
from tuner.ledger.rows import spec
from tuner.ledger.schema import attempts, losses, outcomes, pauses, reports, starts, trials
from tuner.trial import Point, State, TrialRecord, curve_of

_RECORDS = (
    select(
        attempts.c.trial,
        attempts.c.attempt,
        attempts.c.resume_step,
        attempts.c.pause_step,
        attempts.c.at.label("proposed_at"),
        trials.c.params,
        trials.c.seed,
        trials.c.total_steps,
        starts.c.at.label("started_at"),
        starts.c.worker,
        losses.c.reason,
        outcomes.c.at.label("finished_at"),
        func.coalesce(outcomes.c["values"], pauses.c["values"]).label("values"),
        outcomes.c.note,
        STATE,
        STEP.label("step"),
    )
    .select_from(JOINED)
    .where(IS_LATEST)
    .order_by(attempts.c.trial)
)

_POINTS = select(reports.c.trial, reports.c.attempt, reports.c.step, reports.c.at, reports.c.metrics).order_by(
    reports.c.trial, reports.c.step
)

_ATTEMPTS = select(attempts.c.trial, attempts.c.attempt, attempts.c.resume_step).order_by(
    attempts.c.trial, attempts.c.attempt
)

Curves = dict[int, tuple[Point, ...]]  # by trial


def all_trials(connection: Connection, sweep: str, key: int, *, curves: bool) -> list[TrialRecord]:
    """Every trial of the sweep by index; without ``curves`` their curves are empty."""
    rows = connection.execute(_RECORDS.where(attempts.c.sweep == key)).mappings().all()
    found = _curves(connection, key) if curves else {}
    return [_record(sweep, row, found) for row in rows]


def page(
    connection: Connection, sweep: str, key: int, *, state: State | None, after: int, limit: int, curves: bool
) -> list[TrialRecord]:
    """The trials that follow ``after`` and stand at ``state`` (None: anywhere), ``limit`` of them at most, by index."""
    query = _RECORDS.where(attempts.c.sweep == key, attempts.c.trial > after).limit(limit)
    rows = connection.execute(query if state is None else query.where(STATE.element == state)).mappings().all()
    found = _curves(connection, key, [row["trial"] for row in rows]) if curves else {}
    return [_record(sweep, row, found) for row in rows]


def one_trial(connection: Connection, sweep: str, key: int, index: int) -> TrialRecord:
    """One trial of the sweep, with its curve."""
    found = connection.execute(_RECORDS.where(attempts.c.sweep == key, attempts.c.trial == index)).mappings().first()
    if found is None:
        indices = connection.scalars(select(trials.c.trial).where(trials.c.sweep == key).order_by(trials.c.trial)).all()
        known = [f"0 to {indices[-1]}"] if indices else []
        raise UnknownNameError(f"trial of {sweep}", str(index), known)
    return _record(sweep, found, _curves(connection, key, [index]))


def _curves(connection: Connection, key: int, indices: Sequence[int] | None = None) -> Curves:
    """The curve of every trial of a sweep, or of some."""

    def which(table: Table) -> ColumnElement[bool]:
        return (table.c.sweep == key) & (true() if indices is None else table.c.trial.in_(indices))

    points = defaultdict[tuple[int, int], list[Point]](list)
    for index, attempt, step, at, metrics in connection.execute(_POINTS.where(which(reports))):
        points[index, attempt].append(Point(step=step, at=at, metrics=metrics))
    tries = defaultdict[int, list[tuple[int, list[Point]]]](list)
    for index, attempt, resume_step in connection.execute(_ATTEMPTS.where(which(attempts))):
        tries[index].append((resume_step, points[index, attempt]))
    return {index: curve_of(own) for index, own in tries.items()}


def _record(sweep: str, row: RowMapping, curves: Curves) -> TrialRecord:
    return TrialRecord(
        spec=spec(sweep, row),
        state=State(row["state"]),
        values=row["values"] or {},
        step=row["step"],
        proposed_at=row["proposed_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        worker=row["worker"] or "",
        note=row["note"] or row["reason"] or "",
        curve=curves.get(row["trial"], ()),
    )
