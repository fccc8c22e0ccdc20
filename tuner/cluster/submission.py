"""Handing a sweep to the queue: checked here and now, run later, elsewhere."""

from __future__ import annotations

import time

from tuner import wiring
from tuner.cluster import address
from tuner.errors import UsageError
from tuner.ledger import LOCAL, NewSweep, SqlLedger
from tuner.spec import SweepSpec
from tuner.trial import Sweep

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def submit(
    spec: SweepSpec, text: str, ledger: SqlLedger, *, owner: str, priority: int = 0, target: str = LOCAL
) -> Sweep:
    """Queue a new sweep; a runner will go on with it as with one that was interrupted before its first trial.

    Raises as ``drafted`` and ``check_target`` do; then nothing is recorded.
    """
    check_target(target, ledger)
    new = drafted(spec, text)
    return ledger.queue.submit(new, owner=owner, priority=priority, target=target, at=time.time())


def drafted(spec: SweepSpec, text: str) -> NewSweep:
    """The sweep that a spec asks for. Raises as ``wiring.prepare`` does where it cannot be run."""
    prepared = wiring.prepare(spec)
    return NewSweep(
        name=spec.name,
        spec=spec.dump(),
        spec_text=text,
        environment={},  # its first driver says what it runs on
        objectives=prepared.plan.objectives,
        seed=spec.seed,
        repeats=spec.repeats,
    )


def check_target(target: str, ledger: SqlLedger) -> None:
    """Raise UsageError unless ``target`` is ``local`` or a Ray cluster whose jobs can reach the ledger."""
    if target == LOCAL:
        return
    parts = address.read(target)
    if parts is None or parts.scheme not in ("http", "https") or not parts.host or parts.userinfo:
        raise UsageError(
            f"target: expected {LOCAL} or the address of a Ray cluster's dashboard such as http://head:8265, "
            f"got {target.rpartition('@')[2]!r}"
        )
    if ledger.is_file and parts.host not in _HERE:
        raise UsageError(
            f"target: a sweep on {parts.host} needs a store that {parts.host} can reach; a SQLite file is "
            "not: give a PostgreSQL URL by --store or TUNER_STORE"
        )
