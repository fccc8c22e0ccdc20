"""Appending events: what is accepted, what is a repeat, what is late, what contradicts the record.

A repeated event is a no-op. Two different events for one place (two outcomes of a trial, two reports of a step) are a
conflict, and so is anything new about a trial that has its outcome. An attempt is over once it was lost or paused, or
a newer one was proposed; what its worker still sends is late and is dropped, whatever it says: the trial has moved on.
A paused trial that shall not go on gets its outcome as one of its last attempt, and its state may come to disk late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, and_, bindparam, select

from tuner.errors import ConflictError, StoreError
from tuner.ledger.rows import EVENT_TABLES, Row, encode
from tuner.ledger.schema import attempts, losses, outcomes, pauses, trials
from tuner.ledger.statements import insert_if_free
from tuner.trial import Checkpointed, Event, Finished, Lost, Paused, Proposed

_BATCH = 10_000  # a statement may name only so many trials
Rows = defaultdict[Table, list[Row]]


@dataclass(slots=True)
class Standing:
    """How far a trial has come: its latest attempt (-1: none), whether that is lost or paused, whether it all ended."""

    attempt: int = -1
    lost: bool = False
    paused: bool = False
    ended: bool = False


def append(connection: Connection, sweep: str, key: int, seq: int, events: Sequence[Event]) -> None:
    """Record ``events`` of the sweep whose key is ``key``, the first at ``seq``, in the caller's transaction.

    Raises ConflictError where they contradict the record, StoreError for an attempt never proposed.
    """
    for start in range(0, len(events), _BATCH):
        _append(connection, sweep, key, seq + start, events[start : start + _BATCH])


def _append(connection: Connection, sweep: str, key: int, seq: int, events: Sequence[Event]) -> None:
    standings = _standings(connection, key, events)
    fresh, claims = Rows(list), Rows(list)
    for position, event in enumerate(events, seq):
        standing = standings[event.trial]
        _check(sweep, event, standing)
        if _is_late(event, standing):
            continue
        target = claims if standing.ended else fresh
        for table, row in encode(event):
            target[table].append({"sweep": key, "seq": position, **row})
        _advance(event, standing)
    for table in (trials, *EVENT_TABLES.values()):  # what is referred to comes first
        _insert(connection, table, fresh[table], claims)
    for table, rows in claims.items():
        for row in rows:
            _verify(connection, sweep, table, row)


_STANDINGS = (
    select(
        attempts.c.trial,
        attempts.c.attempt,
        losses.c.seq.is_not(None),
        pauses.c.seq.is_not(None),
        outcomes.c.seq.is_not(None),
    )
    .outerjoin(losses, and_(*(losses.c[name] == attempts.c[name] for name in ("sweep", "trial", "attempt"))))
    .outerjoin(pauses, and_(*(pauses.c[name] == attempts.c[name] for name in ("sweep", "trial", "attempt"))))
    .outerjoin(outcomes, and_(*(outcomes.c[name] == attempts.c[name] for name in ("sweep", "trial"))))
    .where(attempts.c.sweep == bindparam("sweep"), attempts.c.trial.in_(bindparam("trials", expanding=True)))
    .order_by(attempts.c.trial, attempts.c.attempt)
)


def _standings(connection: Connection, key: int, events: Sequence[Event]) -> dict[int, Standing]:
    standings = {event.trial: Standing() for event in events}
    for trial, *standing in connection.execute(_STANDINGS, {"sweep": key, "trials": list(standings)}):
        standings[trial] = Standing(*standing)  # attempts come oldest first: the latest one stays
    return standings


def _check(sweep: str, event: Event, standing: Standing) -> None:
    problem = ""
    if not isinstance(event, Proposed):
        if event.attempt > standing.attempt:
            problem = f"{type(event).__name__} before it was proposed; record its Proposed event first"
    elif event.spec.sweep != sweep:
        problem = f"the proposal is one of sweep {event.spec.sweep!r}; record it there"
    elif event.attempt > standing.attempt + 1:
        problem = f"proposed before attempt {standing.attempt + 1}; attempts are numbered from 0 without gaps"
    if problem:
        raise StoreError(f"{sweep}, trial {event.trial}, attempt {event.attempt}: {problem}")


def _is_late(event: Event, standing: Standing) -> bool:
    if event.attempt < standing.attempt or standing.lost:
        return not isinstance(event, Proposed)
    return standing.paused and not isinstance(event, Proposed | Checkpointed | Finished)


def _advance(event: Event, standing: Standing) -> None:
    match event:
        case Proposed(attempt=attempt) if attempt > standing.attempt:
            standing.attempt, standing.lost, standing.paused = attempt, False, False
        case Lost():
            standing.lost = True
        case Paused():
            standing.paused = True
        case Finished():
            standing.ended = True


def _insert(connection: Connection, table: Table, rows: list[Row], claims: Rows) -> None:
    if not rows:
        return
    inserted = connection.execute(insert_if_free(connection.dialect.name, table), rows).rowcount
    if inserted < len(rows):
        claims[table] += rows  # some place was taken: by the same events, or there is a conflict


def _verify(connection: Connection, sweep: str, table: Table, row: Row) -> None:
    place = {name: row[name] for name in table.info["place"]}
    stored = connection.execute(select(table).where(*(table.c[n] == v for n, v in place.items()))).mappings().first()
    facts = [name for name in row if name != "seq"]
    if stored is None or any(stored[name] != row[name] for name in facts):
        where = ", ".join(f"{name} {value}" for name, value in place.items() if name != "sweep")
        held = "that the trial has ended" if stored is None else _show({name: stored[name] for name in facts}, place)
        raise ConflictError(
            f"{sweep}, {where}: the ledger holds {held}, and is now told {_show(row, place)}; "
            "the record stands: check that one program only runs this sweep"
        )


def _show(row: Row, place: Row) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in row.items() if name not in place and name != "seq")
