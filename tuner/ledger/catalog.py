"""The sweeps' own rows: creating, finding, listing them, and giving out positions in their histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, RowMapping, bindparam, func, select, update

from tuner.errors import UnknownNameError
from tuner.ledger import leases
from tuner.ledger.leases import IS_HELD
from tuner.ledger.rows import Row, storable
from tuner.ledger.schema import jobs, sweeps
from tuner.ledger.statements import Now, insert_if_free
from tuner.ledger.summary import Status, SweepState, SweepSummary, sweep_state
from tuner.ledger.tallies import Tallies, Tally
from tuner.trial import Objective, Sweep

_CLAIM = (
    update(sweeps)
    .where(IS_HELD)
    .values(recorded=sweeps.c.recorded + bindparam("count"), updated_at=bindparam("at"))
    .returning(sweeps.c.key, sweeps.c.recorded)
)

_POSITION_OF_HOLDER = select(sweeps.c.key, sweeps.c.recorded).where(IS_HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSweep:
    """A sweep that has no id yet. ``spec`` and ``environment`` are plain JSON data."""

    name: str
    spec: Mapping[str, object]
    spec_text: str
    environment: Mapping[str, object]
    objectives: Sequence[Objective]
    seed: int
    repeats: int


def create(connection: Connection, new: NewSweep, at: float) -> Sweep:
    """Insert a sweep under the next free number of its name."""
    last = select(func.coalesce(func.max(sweeps.c.number), 0)).where(sweeps.c.name == new.name)
    facts: Row = {
        "name": new.name,
        "spec": dict(new.spec),
        "spec_text": storable(new.spec_text),
        "environment": dict(new.environment),
        "objectives": [asdict(objective) for objective in new.objectives],
        "seed": new.seed,
        "repeats": new.repeats,
        "status": "running",
        "recorded": 0,
        "created_at": at,
        "updated_at": at,
    }
    inserted = 0
    while not inserted:  # another process may take the number first
        number = connection.execute(last).scalar_one() + 1
        facts |= {"number": number, "id": f"{facts['name']}-{number}"}
        inserted = connection.execute(insert_if_free(connection.dialect.name, sweeps), facts).rowcount
    return _sweep(connection.execute(select(sweeps).where(sweeps.c.id == facts["id"])).mappings().one())


def claim(connection: Connection, sweep: str, epoch: int, count: int, at: float) -> tuple[int, int]:
    """The sweep's key and the first of ``count`` positions given to the caller, whose lease is the ``epoch``-th.

    Raises LeaseError where that lease is over. Other writers of the sweep wait until the caller's transaction ends, so
    what it then reads stays true.
    """
    row = connection.execute(_CLAIM, {"sweep": sweep, "of_epoch": epoch, "count": count, "at": at}).first()
    if row is None:
        key(connection, sweep)
        raise leases.refusal(connection, sweep, epoch)
    return row.key, row.recorded - count + 1


def set_status(connection: Connection, sweep: str, epoch: int, status: Status, at: float) -> None:
    """Change the sweep's status. Raises LeaseError where the caller's lease, the ``epoch``-th, is over."""
    claim(connection, sweep, epoch, 0, at)
    connection.execute(update(sweeps).where(sweeps.c.id == sweep).values(status=status))


def change(connection: Connection, sweep: str, epoch: int, facts: Row, at: float) -> Sweep:
    """Record what a sweep goes on with. Raises as ``set_status`` does."""
    claim(connection, sweep, epoch, 0, at)
    connection.execute(update(sweeps).where(sweeps.c.id == sweep).values(**facts))
    return load(connection, sweep)


def key(connection: Connection, sweep: str) -> int:
    """The sweep's key."""
    return position(connection, sweep)[0]


def position(connection: Connection, sweep: str) -> tuple[int, int]:
    """The sweep's key and the last position given out in its history, 0 where it has none."""
    row = connection.execute(select(sweeps.c.key, sweeps.c.recorded).where(sweeps.c.id == sweep)).first()
    if row is None:
        raise _unknown(connection, sweep)
    return row.key, row.recorded


def position_of_holder(connection: Connection, sweep: str, epoch: int) -> tuple[int, int]:
    """The same, for who holds the sweep's ``epoch``-th lease. Raises LeaseError where that is over."""
    row = connection.execute(_POSITION_OF_HOLDER, {"sweep": sweep, "of_epoch": epoch}).first()
    if row is None:
        key(connection, sweep)
        raise leases.refusal(connection, sweep, epoch)
    return row.key, row.recorded


def load(connection: Connection, sweep: str) -> Sweep:
    """The sweep of that id, else the latest of that name, or of the only name that begins with it."""
    exact = connection.execute(select(sweeps).where(sweeps.c.id == sweep)).mappings().first()
    if exact is not None:
        return _sweep(exact)
    return _sweep(connection.execute(select(sweeps).where(sweeps.c.id == _resolve(connection, sweep))).mappings().one())


def word(connection: Connection, key: int) -> str:
    """Where the sweep of that key stands: the state of its job in the queue, or its own where it has none."""
    row = connection.execute(_SWEEPS.where(sweeps.c.key == key)).mappings().one()
    return row["job"] or _state(row)


def summaries(connection: Connection, tallies: Tallies, keys: Sequence[int] | None = None) -> list[SweepSummary]:
    """Every sweep, the oldest first; or those that have these keys."""
    query = _SWEEPS if keys is None else _SWEEPS.where(sweeps.c.key.in_(keys))
    rows = connection.execute(query).mappings().all()
    counted = tallies.of(connection, [(row["key"], row["recorded"], _objectives(row)) for row in rows])
    return [_summary(row, tally) for row, tally in zip(rows, counted, strict=True)]


_SWEEPS = (
    select(
        *(sweeps.c[name] for name in ("key", "id", "name", "status", "created_at", "updated_at", "objectives")),
        *(sweeps.c[name] for name in ("recorded", "held_until", "holder")),
        jobs.c.state.label("job"),
        func.coalesce(sweeps.c.spec["workload"].as_string(), "").label("workload"),
        sweeps.c.spec[("budget", "trials")].as_integer().label("budget"),
        Now().label("now"),
    )
    .outerjoin_from(sweeps, jobs, jobs.c.sweep == sweeps.c.key)
    .order_by(sweeps.c.key)
)


def _summary(row: RowMapping, tally: Tally) -> SweepSummary:
    return SweepSummary(
        id=row["id"],
        name=row["name"],
        workload=row["workload"],
        status=_state(row),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        objectives=_objectives(row),
        counts=tally.counts,
        budget=row["budget"],
        best=tally.best,
    )


def _state(row: RowMapping) -> SweepState:
    is_driven = leases.is_driven(row["held_until"], row["now"], row["holder"])
    return sweep_state(row["status"], row["job"], is_driven=is_driven)


def _sweep(row: RowMapping) -> Sweep:
    return Sweep(
        id=row["id"],
        name=row["name"],
        spec=row["spec"],
        spec_text=row["spec_text"],
        environment=row["environment"],
        objectives=_objectives(row),
        seed=row["seed"],
        repeats=row["repeats"],
        created_at=row["created_at"],
    )


def _objectives(row: RowMapping) -> tuple[Objective, ...]:
    return tuple(Objective(**objective) for objective in row["objectives"])


def _resolve(connection: Connection, sweep: str) -> str:
    rows = connection.execute(select(sweeps.c.name, sweeps.c.id).order_by(sweeps.c.number, sweeps.c.key))
    latest: dict[str, str] = dict(rows.all())
    begun = [identity for name, identity in latest.items() if name.startswith(sweep)]
    if sweep in latest:
        return latest[sweep]
    if len(begun) == 1:
        return begun[0]
    raise UnknownNameError("sweep", sweep, begun or latest.values())


def _unknown(connection: Connection, sweep: str) -> UnknownNameError:
    return UnknownNameError("sweep", sweep, connection.scalars(select(sweeps.c.id).order_by(sweeps.c.key)))
