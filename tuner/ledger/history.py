"""The events of a sweep, read back from their tables into the order in which they were recorded."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import merge
from operator import itemgetter

from sqlalchemy import Connection, Select, bindparam, select

from tuner.ledger.rows import EVENT_TABLES, decode
from tuner.ledger.schema import attempts, trials
from tuner.trial import Event, Proposed

PAGE = 10_000  # positions read at a time: a page of events takes some 10 MB


def _select(kind: type[Event]) -> Select[tuple[object, ...]]:
    table = EVENT_TABLES[kind]
    query = select(table)
    if kind is Proposed:
        same_trial = (trials.c.sweep == attempts.c.sweep) & (trials.c.trial == attempts.c.trial)
        query = query.add_columns(trials.c.params, trials.c.seed, trials.c.total_steps).join(trials, same_trial)
    page = table.c.seq.between(bindparam("first"), bindparam("last"))
    return query.where(table.c.sweep == bindparam("sweep"), page).order_by(table.c.seq)


_SELECTS = {kind: _select(kind) for kind in EVENT_TABLES}


def page(connection: Connection, sweep: str, key: int, start: int, size: int) -> list[Event]:
    """The events at the ``size`` positions after ``start``; a position may hold none."""
    return [event for _, event in numbered(connection, sweep, key, start, size)]


def numbered(connection: Connection, sweep: str, key: int, start: int, size: int) -> list[tuple[int, Event]]:
    """The same, each event with its position."""
    where = {"sweep": key, "first": start + 1, "last": start + size}
    streams = (_stream(connection, kind, sweep, where) for kind in _SELECTS)
    return list(merge(*streams, key=itemgetter(0)))


def _stream(
    connection: Connection, kind: type[Event], sweep: str, where: dict[str, int]
) -> Iterable[tuple[int, Event]]:
    for row in connection.execute(_SELECTS[kind], where).mappings():
        facts = dict(row)
        del facts["sweep"]
        yield facts.pop("seq"), decode(kind, sweep, facts)
