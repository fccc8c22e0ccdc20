"""The ledger as the outbox: what each place was told of a sweep survives whoever told it, and nobody tells it twice."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from test_ledger_database import statements

from tuner.errors import LeaseError, UnknownNameError
from tuner.ledger import leases, open_ledger
from tuner.ledger.holder import Holder
from tuner.ledger.schema import sweeps

HERE, THERE = "mlflow http://here", "optuna sqlite:///there.db"


def drained(delivery, limit=3):
    """Everything that has not arrived, by deliveries that all arrive."""
    events = []
    while some := delivery.read(limit):
        assert len(some) <= limit
        events += some
        delivery.arrived()
    return events


@settings(max_examples=30)
@given(
    steps=st.lists(st.sampled_from(["record", "again", "read", "arrive", "restart"]), max_size=30),
    limit=st.integers(1, 7),
)
def test_events_are_read_until_they_arrived_and_not_after_that(ledger, make, steps, limit):
    """Whatever happens between: a few lines say what must be read."""
    sweep = make.sweep(ledger).id
    delivery, recorded, arrived, seen = ledger.delivery(sweep, HERE), [], 0, []
    for trial, step in enumerate(steps):
        match step:
            case "record":
                recorded += make.history(sweep, trial)
                ledger.append(sweep, make.history(sweep, trial))
            case "again":  # takes positions and holds nothing
                ledger.append(sweep, recorded)
            case "read":
                seen = delivery.read(limit)
                assert seen == recorded[arrived : arrived + len(seen)]
                assert bool(seen) == (arrived < len(recorded))
                assert len(seen) <= limit
            case "arrive":
                delivery.arrived()
                arrived, seen = arrived + len(seen), []
            case "restart":
                delivery, seen = ledger.delivery(sweep, HERE), []
    assert delivery.left() >= len(recorded) - arrived
    delivery = ledger.delivery(sweep, HERE)
    assert drained(delivery, limit) == recorded[arrived:]
    assert delivery.left() == 0


def test_every_place_has_a_way_of_its_own_and_can_be_sent_back_to_the_start(ledger, make):
    sweep, other = make.sweep(ledger).id, make.sweep(ledger).id
    history = make.history(sweep, 0)
    ledger.append(sweep, history)
    assert drained(ledger.delivery(sweep, HERE)) == history
    assert drained(ledger.delivery(sweep, HERE)) == []
    assert drained(ledger.delivery(sweep, THERE)) == history
    assert drained(ledger.delivery(other, HERE)) == []
    ledger.delivery(sweep, HERE).rewind()
    assert drained(ledger.delivery(sweep, HERE)) == history
    assert drained(ledger.delivery(sweep, THERE)) == []
    with pytest.raises(UnknownNameError):
        ledger.delivery("nonesuch", HERE).read(1)


def test_who_has_lost_the_lease_tells_nobody_anything(shared, make):
    with closing(open_ledger(shared)) as stale, closing(open_ledger(shared)) as ledger:
        sweep = make.sweep(ledger).id
        with stale.lease(sweep):
            stale.append(sweep, make.history(sweep, 0))
            old = stale.delivery(sweep, HERE)
            assert old.read(2) == make.history(sweep, 0)[:2]
            with ledger._database.writing() as connection:
                connection.execute(update(sweeps).where(sweeps.c.id == sweep).values(held_until=leases.Now() - 1))
            with ledger.lease(sweep):
                with pytest.raises(LeaseError, match="this driver was silent"):
                    old.read(2)
                assert drained(ledger.delivery(sweep, HERE)) == make.history(sweep, 0)
        with pytest.raises(LeaseError, match="only the driver that holds its lease"):
            ledger.delivery(sweep, HERE).read(1)


def test_a_delivery_costs_one_write_and_reading_holds_up_no_writer(store, make):
    with closing(open_ledger(store)) as ledger:
        sweep = make.sweep(ledger).id
        ledger.append(sweep, [e for trial in range(20) for e in make.history(sweep, trial)])
        delivery = ledger.delivery(sweep, HERE)
        with statements(ledger) as sent:
            assert len(delivery.read(100)) == 100
        assert {s.split()[0] for s in sent} == {"BEGIN", "SELECT"}
        assert "BEGIN IMMEDIATE" not in sent
        with statements(ledger) as sent:
            delivery.arrived()
        assert [s.split()[0] for s in sent] == ["BEGIN", "SELECT", "INSERT"]
        with ledger._database.writing(), closing(open_ledger(store)) as other:  # the driver commits at this moment
            assert other.delivery(sweep, HERE).read(10) == []
            assert len(other.delivery(sweep, THERE).read(10)) == 10


# ---------------------------------------------------------------- where a sweep stands, and what was accepted


def test_a_sweep_is_running_while_a_driver_that_may_live_holds_it(ledger, make, monkeypatch):
    sweep = make.sweep(ledger).id
    assert ledger.summary(sweep).status == "interrupted"
    with ledger.lease(sweep):
        ledger.set_status(sweep, "running", 2.0)
        assert ledger.summary(sweep).status == "running"
        with monkeypatch.context() as killed:
            killed.setattr(Holder, "is_dead", lambda self: True)
            assert ledger.summary(sweep).status == "interrupted"
        with ledger._database.writing() as connection:
            connection.execute(update(sweeps).where(sweeps.c.id == sweep).values(held_until=leases.Now() - 1))
        assert ledger.summary(sweep).status == "interrupted"
    assert ledger.summary(sweep).status == "interrupted"
    with ledger.lease(sweep):
        ledger.set_status(sweep, "done", 3.0)
    assert ledger.summary(sweep).status == "done"


def test_accepted_changes_are_kept_with_their_time_and_place_in_the_history(ledger, make):
    sweep = make.sweep(ledger).id
    assert ledger.acceptances(sweep) == []
    with ledger.lease(sweep):
        ledger.append(sweep, make.history(sweep, 0))
        for at, changes in ((7.0, ["torch: 2.1 -> 2.2"]), (7.0, ["torch: 2.1 -> 2.2"]), (8.0, ["a", "b"])):
            accepted = ledger.accept_changes(sweep, changes, environment={"torch": "2.2"}, spec={"name": "x"}, at=at)
    found = [(a.at, a.events, a.changes) for a in ledger.acceptances(sweep)]
    assert found == [(7.0, 5, ("torch: 2.1 -> 2.2",)), (8.0, 5, ("a", "b"))]
    assert (accepted.environment, accepted.spec) == ({"torch": "2.2"}, {"name": "x"})
    assert ledger.load(sweep) == accepted, "what it goes on with is what it is compared with next time"
    with pytest.raises(LeaseError):
        ledger.accept_changes(sweep, ["late"], environment={}, spec={}, at=9.0)
