"""One driver a sweep: who gets the lease, who is refused, and that nobody writes under a lease that is over."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack, closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from tuner.errors import LeaseError, StoreError, UnknownNameError
from tuner.ledger import holder, leases, open_ledger
from tuner.ledger.holder import Holder
from tuner.ledger.lease import Lease
from tuner.ledger.schema import sweeps
from tuner.trial import Lost, Started

ELSEWHERE = Holder(host="far-away", pid=os.getpid(), machine="another boot", started="1", token="")
HERE = f"process {os.getpid()} on "


def expire(ledger, sweep):
    """Let the lease have run out a second ago."""
    with ledger._database.writing() as connection:
        connection.execute(update(sweeps).where(sweeps.c.id == sweep).values(held_until=leases.Now() - 1))


def held_by(monkeypatch, other):
    monkeypatch.setattr(Holder, "here", classmethod(lambda cls: other))


# ---------------------------------------------------------------- who gets it


def test_a_second_driver_is_refused_and_told_who_has_it_until_when_and_what_to_do(shared, make):
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    told = (
        rf"^SWEEP is run by {HERE}\S+ since {moment}; its lease lasts until {moment} .*stop it there.*"
        r"wait for (60|59) s; then try again$"
    )
    with closing(open_ledger(shared)) as ledger, closing(open_ledger(shared)) as other:
        sweep = make.sweep(ledger).id
        with ledger.lease(sweep):
            with pytest.raises(LeaseError, match=told.replace("SWEEP", sweep)), other.lease(sweep):
                pass
            with pytest.raises(LeaseError, match="by this very program already"), ledger.lease(sweep):
                pass
            ledger.append(sweep, make.history(sweep, 0))
        assert list(ledger.events(sweep)) == make.history(sweep, 0)


def test_a_lease_that_was_given_back_can_be_taken_again_also_after_an_error(ledger, make):
    sweep = make.sweep(ledger).id
    for trial in range(2):
        with pytest.raises(StoreError, match="proposed before attempt 0"), ledger.lease(sweep):
            ledger.append(sweep, [make.proposed(sweep, 99, attempt=trial + 1)])
        with ledger.lease(sweep):
            ledger.append(sweep, make.history(sweep, trial))
    with ledger.lease(sweep):
        ledger.set_status(sweep, "done", 9.0)
    assert len(ledger.trials(sweep)) == 2


def test_sweeps_are_leased_one_by_one(ledger, make):
    one, other = make.sweep(ledger).id, make.sweep(ledger).id
    with ledger.lease(one), ledger.lease(other):
        for sweep in (one, other):
            ledger.append(sweep, make.history(sweep, 0))


def test_an_unknown_sweep_cannot_be_leased(ledger):
    with pytest.raises(UnknownNameError, match="unknown sweep 'nonesuch-1'"), ledger.lease("nonesuch-1"):
        pass


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({}, False),
        ({"started": "1"}, True),  # the process id was given to another one since
        ({"pid": 2**22 + 1}, True),  # beyond the largest process id there can be
        ({"machine": "another boot", "pid": 2**22 + 1}, False),  # another machine, or this one before it was restarted
        ({"machine": "", "started": ""}, False),
        ({"started": ""}, False),
    ],
    ids=str,
)
def test_a_holder_is_taken_for_dead_only_where_that_is_known(change, dead):
    here = Holder.here()
    with here.at_work():
        assert dataclasses.replace(here, **change).is_dead() is dead


def test_a_driver_that_has_ended_is_dead_though_its_process_lives():
    here = Holder.here()
    with here.at_work():
        assert not here.is_dead()
    assert here.is_dead()


def test_a_process_that_is_hidden_from_us_is_not_taken_for_dead(monkeypatch):
    here = dataclasses.replace(Holder.here(), pid=os.getppid())
    monkeypatch.setattr(holder, "_process", lambda pid: ("", ""))
    assert not here.is_dead()
    assert dataclasses.replace(here, pid=2**22 + 1).is_dead()


def test_a_killed_process_is_dead_at_once_also_while_nobody_has_waited_for_it():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        here = Holder.here()
        other = dataclasses.replace(here, pid=process.pid, started=holder._process(process.pid)[1])
        assert not other.is_dead()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
        assert other.is_dead()


def test_a_lease_on_another_machine_lasts_until_it_runs_out(shared, make, monkeypatch):
    with ExitStack() as stack:
        first, ledger = (stack.enter_context(closing(open_ledger(shared))) for _ in range(2))
        sweep = make.sweep(ledger).id
        with monkeypatch.context() as there:
            held_by(there, ELSEWHERE)
            stack.enter_context(first.lease(sweep))
        with pytest.raises(LeaseError, match=f"is run by process {os.getpid()} on far-away"), ledger.lease(sweep):
            pass
        expire(ledger, sweep)
        with ledger.lease(sweep):
            ledger.append(sweep, make.history(sweep, 0))
        assert list(ledger.events(sweep)) == make.history(sweep, 0)


# ---------------------------------------------------------------- who may write

ACTIONS = ("take", "write", "renew", "expire", "leave")


@settings(max_examples=25)
@given(actions=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(ACTIONS)), max_size=25))
def test_a_write_is_taken_from_the_last_holder_only(shared, make, actions):
    """Three drivers, each with a ledger of its own, do anything in any order; a few lines say what must come of it."""
    with ExitStack() as stack:
        drivers = [stack.enter_context(closing(open_ledger(shared))) for _ in range(3)]
        sweep = make.sweep(drivers[0]).id
        mine = [stack.enter_context(ExitStack()) for _ in drivers]
        epochs, last, valid, written = [0, 0, 0], 0, False, 0
        for who, action in actions:
            ledger = drivers[who]
            current = epochs[who] == last and bool(last)
            match action:
                case "take" if not epochs[who]:
                    if valid:
                        with pytest.raises(LeaseError):
                            mine[who].enter_context(ledger.lease(sweep))
                    else:
                        mine[who].enter_context(ledger.lease(sweep))
                        last, valid = last + 1, True
                        epochs[who] = last
                case "write" if current or not last:
                    ledger.append(sweep, make.history(sweep, written))
                    written += 1
                case "write":
                    with pytest.raises(LeaseError):
                        ledger.append(sweep, make.history(sweep, 99))
                    with pytest.raises(LeaseError):
                        ledger.set_status(sweep, "failed", 1.0)
                case "renew" if epochs[who]:
                    assert ledger._renew(sweep, epochs[who]) is current
                    valid = valid or current
                case "expire" if last:
                    if any(epoch == last for epoch in epochs):
                        expire(ledger, sweep)
                    valid = False
                case "leave":
                    mine[who].close()
                    valid = valid and not current
                    epochs[who] = 0
        assert [record.spec.index for record in drivers[0].trials(sweep)] == list(range(written))
        assert drivers[0].sweeps()[-1].status == ("running" if valid else "interrupted")


def test_a_stopped_process_that_wakes_after_its_lease_was_taken_writes_nothing(shared, make):
    program = """if True:
        import sys
        from tuner.errors import LeaseError
        from tuner.ledger import open_ledger
        from tuner.trial import Proposed, TrialSpec
        ledger = open_ledger(sys.argv[1])
        with ledger.lease(sys.argv[2]) as lease:
            print("held", flush=True)
            input()
            refused = 0
            for index in range(100, 200):
                spec = TrialSpec(sweep=sys.argv[2], index=index, params={}, seed=0, total_steps=1)
                try:
                    ledger.append(sys.argv[2], [Proposed(spec=spec, at=0.0)])
                except LeaseError as error:
                    refused, why = refused + 1, error
        print(refused, why)
    """
    with closing(open_ledger(shared)) as ledger:
        sweep = make.sweep(ledger).id
        command = [sys.executable, "-c", program, shared, sweep]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stalled:
            assert stalled.stdout.readline() == "held\n"
            stalled.send_signal(signal.SIGSTOP)
            with pytest.raises(LeaseError, match=f"process {stalled.pid} on"), ledger.lease(sweep):
                pass
            expire(ledger, sweep)
            with ledger.lease(sweep):
                ledger.append(sweep, make.history(sweep, 0))
                stalled.send_signal(signal.SIGCONT)
                out, _ = stalled.communicate("go\n", timeout=60)
                ledger.append(sweep, make.history(sweep, 1))  # the stalled one did not give our lease back
        assert out.startswith("100 ")
        assert f"{sweep}: this driver was silent for longer than its lease lasts, and the sweep was taken over" in out
        assert f"by {HERE}" in out
        assert list(ledger.events(sweep)) == make.history(sweep, 0) + make.history(sweep, 1)


def test_a_killed_driver_is_replaced_at_once(shared, make):
    program = """if True:
        import sys
        from tuner.ledger import open_ledger
        with open_ledger(sys.argv[1]).lease(sys.argv[2]):
            print("held", flush=True)
            input()
    """
    with closing(open_ledger(shared)) as ledger:
        sweep = make.sweep(ledger).id
        command = [sys.executable, "-c", program, shared, sweep]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
            assert driver.stdout.readline() == "held\n"
            driver.kill()
            driver.wait()
        with ledger.lease(sweep):
            ledger.append(sweep, make.history(sweep, 0))


def test_one_of_32_processes_gets_the_lease(shared, make):
    program = """if True:  # imports once, then becomes 32 processes, none of which has opened anything yet
        import os, sys, psycopg
        from tuner.errors import LeaseError
        from tuner.ledger import open_ledger
        go, stay = os.pipe(), os.pipe()
        for _ in range(32):
            if os.fork():
                continue
            os.close(go[1]); os.close(stay[1])
            ledger = open_ledger(sys.argv[1])
            os.write(1, b"ready\\n")
            os.read(go[0], 1)
            try:
                with ledger.lease(sys.argv[2]):
                    os.write(1, b"held\\n")
                    os.read(stay[0], 1)
            except LeaseError:
                os.write(1, b"refused\\n")
            os._exit(0)
        input(); os.close(go[1])
        input(); os.close(stay[1])
        for _ in range(32):
            os.wait()
    """
    with closing(open_ledger(shared)) as ledger:
        sweep = make.sweep(ledger).id
        command = [sys.executable, "-c", program, shared, sweep]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
            assert [crowd.stdout.readline() for _ in range(32)] == ["ready\n"] * 32
            crowd.stdin.write("go\n")
            crowd.stdin.flush()
            answers = Counter(crowd.stdout.readline() for _ in range(32))
            crowd.communicate("leave\n", timeout=60)
        assert answers == {"held\n": 1, "refused\n": 31}
        assert crowd.returncode == 0
        with ledger.lease(sweep):
            pass


# ---------------------------------------------------------------- renewing


def test_a_lease_is_renewed_until_it_is_over_also_past_a_failure():
    renewed, enough = [], threading.Event()

    def renew():
        renewed.append(None)
        if len(renewed) == 2:
            raise StoreError("the server is away")
        if len(renewed) == 5:
            enough.set()
        return True

    with Lease(renew, 0.01) as lease:
        assert enough.wait(30)
        assert not lease.is_lost()
    count = len(renewed)
    assert not [t for t in threading.enumerate() if t.name == "tuner-lease"]
    assert len(renewed) == count


def test_a_lease_that_was_taken_over_is_lost_and_renewed_no_more():
    asked = []
    with Lease(lambda: bool(asked.append(None)), 0.01) as lease:
        lease._thread.join(30)
        assert lease.is_lost()
    assert len(asked) == 1


def test_a_ledger_without_the_lease_may_not_write(shared, make):
    with closing(open_ledger(shared)) as ledger, closing(open_ledger(shared)) as other:
        sweep = make.sweep(ledger).id
        with ledger.lease(sweep):
            ledger.append(sweep, [make.proposed(sweep, 0)])
            for event in (Started(trial=0, attempt=0, at=1.0, worker=""), Lost(trial=0, attempt=0, at=1.0, reason="")):
                with pytest.raises(LeaseError, match=rf"^{sweep}: only the driver that holds its lease may write"):
                    other.append(sweep, [event])
        with pytest.raises(LeaseError):
            ledger.append(sweep, [make.proposed(sweep, 1)])
        assert list(other.events(sweep)) == [make.proposed(sweep, 0)]
