"""The lease on a sweep: one driver has it, for a time by the database's clock, and only its writes are taken.

Each lease has a number, the sweep's ``epoch``, which every write names. A driver that was thought dead and wakes after
another one took the sweep over has an old number, and nothing it writes is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, update

from tuner.errors import LeaseError
from tuner.ledger.holder import Holder
from tuner.ledger.schema import sweeps
from tuner.ledger.statements import Now

DURATION = 60.0  # seconds that a lease lasts unless it is renewed

# The sweep, while the lease of that epoch is still the last one that was given, and was not given back.
# A sweep that was never leased (epoch 0) is anybody's.
IS_HELD: ColumnElement[bool] = and_(
    sweeps.c.id == bindparam("sweep"),
    sweeps.c.epoch == bindparam("of_epoch"),
    (sweeps.c.epoch == 0) | sweeps.c.held_until.is_not(None),
)

_STATE = select(sweeps.c.epoch, sweeps.c.holder, sweeps.c.held_since, sweeps.c.held_until, Now().label("now"))


def is_driven(held_until: float | None, now: float, holder: Mapping[str, Any] | None) -> bool:
    """Whether the lease of that state lasts, and the driver that holds it is not known to be dead."""
    return held_until is not None and held_until > now and holder is not None and not Holder(**holder).is_dead()


def take(connection: Connection, sweep: str, holder: Holder) -> int:
    """The epoch of a new lease on an existing sweep. Raises LeaseError while another driver has it and may be alive."""
    state = connection.execute(_STATE.where(sweeps.c.id == sweep).with_for_update()).one()
    if is_driven(state.held_until, state.now, state.holder):
        raise LeaseError(
            f"{sweep} is run by {Holder(**state.holder)} since {_clock(state.held_since)}; its lease lasts until "
            f"{_clock(state.held_until)} and is renewed while it lives: stop it there (Ctrl-C or SIGTERM), "
            f"or, if that machine is gone, wait for {state.held_until - state.now:.0f} s; then try again"
        )
    given = {"epoch": state.epoch + 1, "holder": asdict(holder), "held_since": Now(), "held_until": Now() + DURATION}
    connection.execute(update(sweeps).where(sweeps.c.id == sweep).values(given))
    return int(state.epoch) + 1


_RENEW = update(sweeps).where(IS_HELD).values(held_until=Now() + DURATION)
_RELEASE = update(sweeps).where(IS_HELD).values(holder=None, held_since=None, held_until=None)


def renew(connection: Connection, sweep: str, epoch: int) -> bool:
    """Hold the lease for another ``DURATION``; False where another driver took it over."""
    return connection.execute(_RENEW, {"sweep": sweep, "of_epoch": epoch}).rowcount == 1


def release(connection: Connection, sweep: str, epoch: int) -> None:
    """Give the lease back, if it is still held."""
    connection.execute(_RELEASE, {"sweep": sweep, "of_epoch": epoch})


def refusal(connection: Connection, sweep: str, epoch: int) -> LeaseError:
    """Why a write under ``epoch`` was not taken."""
    state = connection.execute(_STATE.where(sweeps.c.id == sweep)).one()
    if not epoch:
        return LeaseError(f"{sweep}: only the driver that holds its lease may write; take it with `ledger.lease` first")
    by = f"{Holder(**state.holder)} at {_clock(state.held_since)}" if state.holder else "one that has ended"
    return LeaseError(
        f"{sweep}: this driver was silent for longer than its lease lasts, and the sweep was taken over by {by}; "
        "nothing this one did since is recorded, and it stops"
    )


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
