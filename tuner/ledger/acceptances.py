"""What a person let a sweep go on with: the changes that were found when it was resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from tuner.ledger import catalog
from tuner.ledger.schema import acceptances
from tuner.ledger.statements import insert_if_free


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """From ``at`` (UTC seconds) on, after ``events`` recorded events, the sweep went on with other ``changes``."""

    at: float
    events: int
    changes: tuple[str, ...]


def add(connection: Connection, sweep: str, epoch: int, changes: Sequence[str], at: float) -> None:
    """Record an acceptance; a repeated one changes nothing. Raises LeaseError where the ``epoch``-th lease is over."""
    key, next_position = catalog.claim(connection, sweep, epoch, 0, at)
    row = {"sweep": key, "seq": next_position - 1, "at": at, "changes": list(changes)}
    connection.execute(insert_if_free(connection.dialect.name, acceptances), row)


def of(connection: Connection, sweep: str) -> list[Acceptance]:
    """The acceptances of a sweep, the oldest first."""
    where = acceptances.c.sweep == catalog.key(connection, sweep)
    rows = connection.execute(select(acceptances).where(where).order_by(acceptances.c.at))
    return [Acceptance(at=row.at, events=row.seq, changes=tuple(row.changes)) for row in rows]
