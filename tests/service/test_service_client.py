"""The client: the same calls and the same results from a database and from a service, and when that is away."""

from __future__ import annotations

import inspect
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest
from service_world import SPEC, answering, queue_up, record

import tuner
from tuner.client import Client, Schedules
from tuner.client import http as asking
from tuner.client.local import Local
from tuner.client.remote import Remote
from tuner.errors import ConflictError, LeaseError, SpecError, StoreError, TunerError, UnknownNameError, UsageError
from tuner.ledger import open_ledger
from tuner.ledger.tokens import Role
from tuner.trial import Finished, Reported, Started, State


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request, tmp_path_factory):
    """A store with two sweeps that are done, its service, and an admin's token."""
    store = f"sqlite:///{tmp_path_factory.mktemp('client')}/store.db"
    if request.param == "postgresql":
        store = request.getfixturevalue("postgres").database()
    with closing(open_ledger(store)) as ledger:
        for _ in range(2):
            record(ledger, "done")
        token = ledger.tokens.add("ada", Role.ADMIN, at=time.time())
        with answering(ledger) as server:
            yield store, server, token


@pytest.fixture
def local(world):
    with Client(store=world[0]) as client:
        yield client


@pytest.fixture
def remote(world):
    with Client(server=world[1], token=world[2]) as client:
        yield client


def test_what_the_arguments_mean(local, remote, world):
    assert (type(local), type(remote)) == (Local, Remote)
    assert tuner.Client is Client
    for wrong in ({}, {"store": "sqlite://", "server": "http://x"}):
        with pytest.raises(UsageError, match=r"expected a store .* or a server"):
            Client(**wrong)
    for address in ("ftp://x", "localhost:8765", "http://u:pw@host", "http://"):
        with pytest.raises(UsageError, match="server: expected an address such as http"):
            Client(server=address)
    with Client(server=world[1] + "/api/v1/", token=world[2]) as client:
        assert client.list().items
        for name in ("", ".", ".."):
            with pytest.raises(UsageError, match="expected an id or a name"):
                client.show(name)


def test_both_kinds_have_every_call():
    for kinds, of in (((Local, Remote), Client), (Schedules.__subclasses__(), Schedules)):
        calls = {name for name, call in vars(of).items() if not name.startswith("_") and name != "wait"}
        assert len(calls) > 5
        for kind in kinds:
            assert calls <= vars(kind).keys()
            for name in calls:
                if inspect.isfunction(vars(of)[name]):
                    assert inspect.signature(vars(kind)[name]) == inspect.signature(vars(of)[name])


LOOKS = {
    "list": lambda c: c.list(),
    "list, a page": lambda c: c.list(limit=1),
    "list, the next page": lambda c: c.list(limit=1, after=c.list(limit=1).next),
    "list, filtered": lambda c: c.list(name="done", status="done", workload="iris"),
    "show": lambda c: c.show("done-1", top=3),
    "show by name": lambda c: c.show("done"),
    "standing": lambda c: c.standing("done-1"),
    "trials": lambda c: c.trials("done-1"),
    "trials, a page": lambda c: c.trials("done-1", state=State.COMPLETED, after="2", limit=2),
    "trial": lambda c: c.trial("done-1", 3),
    "curves": lambda c: c.curves("done-1"),
    "curves, a page of nothing": lambda c: c.curves("done-1", metric="nothing", after="3", limit=2),
    "best": lambda c: c.best("done-1"),
    "leaderboard": lambda c: c.leaderboard("done-1", top=2),
    "compare": lambda c: c.compare(["done-1", "done-2"]),
    "export yaml": lambda c: c.export("done-1"),
    "export csv": lambda c: c.export("done-1", "csv"),
    "export script": lambda c: c.export("done-1", "script", trial=1),
    "export curves": lambda c: c.export("done-1", "curves"),
    "queue": lambda c: c.queue(),
    "drivers": lambda c: c.drivers(),
    "schedules": lambda c: c.schedules.all(),
    "events": lambda c: list(c.events("done-1")),
    "events from the middle": lambda c: list(c.events("done-1", after=20, follow=False)),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_service_says_what_its_database_says(local, remote, look):
    here, there = LOOKS[look](local), LOOKS[look](remote)
    assert there == here
    assert type(there) is type(here)


def test_a_report_from_afar(remote):
    page = remote.report("done-1")
    assert "<title>done-1" in page
    assert page.rstrip().endswith("</html>")


def test_events_have_their_kinds_and_positions(remote):
    told = list(remote.events("done-1"))
    assert [one.position for one in told] == sorted({one.position for one in told})
    assert {type(one.event) for one in told} >= {Started, Reported, Finished}
    outcome = next(one.event for one in told if isinstance(one.event, Finished))
    assert outcome.outcome is State.COMPLETED


ERRORS = {
    "no such sweep": (lambda c: c.show("nothing-1"), UnknownNameError),
    "no such trial": (lambda c: c.trial("done-1", 99), UnknownNameError),
    "no such schedule": (lambda c: c.schedules.get("nightly"), UnknownNameError),
    "not in the queue": (lambda c: c.cancel("done-1"), UsageError),
    "a bad spec": (lambda c: c.submit("workload: iris\nobjective: loss\n"), SpecError),
    "one sweep twice": (lambda c: c.compare(["done-1", "done-1"]), UsageError),
    "a bad cursor": (lambda c: c.trials("done-1", after="x"), UsageError),
}


@pytest.mark.parametrize("wrong", ERRORS)
def test_errors_are_the_same_from_afar(local, remote, wrong):
    call, kind = ERRORS[wrong]
    raised = []
    for client in (local, remote):
        with pytest.raises(kind) as error:
            call(client)
        raised.append((type(error.value), error.value.exit_code))
        assert type(error.value) is kind
    assert raised[0] == raised[1]


def test_names_that_are_wrong_come_with_the_nearest(remote):
    with pytest.raises(UnknownNameError, match="unknown sweep 'dome-1'; did you mean 'done-") as error:
        remote.best("dome-1")
    assert (error.value.kind, error.value.name) == ("sweep", "dome-1")


@pytest.mark.parametrize(
    "error", [LeaseError("a"), ConflictError("b"), StoreError("c"), SpecError("d\ne"), TunerError("f"), UsageError("g")]
)
def test_every_error_survives_the_way(error):
    there = asking.wire.error(asking.wire.problem(error))
    assert (type(there), str(there)) == (type(error), str(error))


def test_a_sweep_is_submitted_stopped_and_queued_again_from_afar(remote, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SPEC)
    jobs = [
        remote.submit(path),
        remote.submit(SPEC, name="texts", priority=3),
        remote.submit({"workload": "iris"} | BODY),
    ]
    assert [job.sweep for job in jobs] == ["mine-1", "texts-1", "sweep-1"]
    assert [(job.owner, job.state, job.priority) for job in jobs] == [("ada", "queued", n) for n in (0, 3, 0)]
    assert remote.show("mine-1").sweep.spec_text == SPEC
    assert remote.prioritise("mine-1", 7).priority == 7
    assert [job.sweep for job in remote.queue(state="queued").items] == ["mine-1", "texts-1", "sweep-1"]
    assert remote.pause("mine-1").state == "paused"
    assert remote.resume("mine-1").state == "queued"
    for sweep in ("mine-1", "texts-1", "sweep-1"):
        assert remote.cancel(sweep).state == "cancelled"
        assert remote.wait(sweep, timeout=5).word == "cancelled"
    with pytest.raises(UsageError, match="mine-1 cannot be cancelled"):
        remote.cancel("mine")


BODY = {
    "objective": "accuracy",
    "budget": {"trials": 2, "steps": 10},
    "executor": "inline",
    "space": {"optimizer": ["sgd"]},
}


def test_a_recurring_sweep_from_afar_is_the_same_at_home(local, remote, tmp_path):
    path = tmp_path / "nightly.yaml"
    path.write_text(SPEC + "name: nightly-{{ run }}\n")
    added = remote.schedules.add("nightly", path, cron="0 2 * * *", zone="Europe/Berlin", overlap="queue", priority=2)
    assert (added.says, added.owner, added.overlap) == ("At 02:00 every day", "ada", "queue")
    assert remote.schedules.all() == local.schedules.all() == (added,)
    assert remote.schedules.pause("nightly").next_due is None
    assert remote.schedules.resume("nightly").next_due == added.next_due
    fired = remote.schedules.run_now("nightly")
    assert fired.sweep == "nightly-1-1"
    assert remote.schedules.history("nightly") == local.schedules.history("nightly")
    remote.cancel(fired.sweep)
    remote.schedules.remove("nightly")
    assert remote.schedules.all() == ()


def test_who_may_not_is_told_so(world):
    with closing(open_ledger(world[0])) as ledger:
        token = ledger.tokens.add("reader", Role.READ, at=time.time())
    with Client(server=world[1], token=token) as client:
        assert client.list().items
        with pytest.raises(TunerError, match="expected a token with the role submit, got read"):
            client.submit(SPEC)
    with Client(server=world[1]) as client, pytest.raises(TunerError, match="expected a token"):
        client.list()


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return taken.getsockname()[1]


def test_a_service_that_is_away_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(asking, "CONNECTS", 0)
    with Client(server=f"http://127.0.0.1:{free_port()}") as client:
        for call in (client.list, lambda: client.submit(SPEC), lambda: list(client.events("done-1"))):
            with pytest.raises(StoreError, match=r"server http://127.0.0.1:\d+: no answer .*; check its address"):
                call()


def test_events_go_on_where_they_were_after_the_service_was_started_again(tmp_path):
    with closing(open_ledger(f"sqlite:///{tmp_path}/store.db")) as ledger:
        sweep = queue_up(ledger)
        source = record(ledger, "source")
        events = [event for event in ledger.events(source) if event.trial < 4]
        moved = [_of(event, sweep) for event in events]
        ledger.append(sweep, moved[:7])
        port = free_port()
        with Client(server=f"http://127.0.0.1:{port}") as client:
            stream = client.events(sweep)
            with answering(ledger, port):
                told = [next(stream) for _ in range(7)]
            ledger.append(sweep, moved[7:])
            ledger.queue.cancel(sweep, time.time())
            with answering(ledger, port):
                told += list(stream)
    assert [one.event for one in told] == moved
    assert [one.position for one in told] == list(range(1, len(moved) + 1))


def _of(event, sweep):
    return replace(event, spec=replace(event.spec, sweep=sweep)) if hasattr(event, "spec") else event


def test_a_service_that_is_too_busy_is_asked_again(monkeypatch, remote):
    answers = []
    ask = asking.Http.ask

    def busy(self, *args, **more):
        answers.append(None)
        if len(answers) < 3:
            raise StoreError("busy")
        return ask(self, *args, **more)

    monkeypatch.setattr(asking.Http, "ask", busy)
    assert remote.list().items
    assert len(answers) == 3


def test_importing_tuner_imports_no_client():
    program = "import sys, tuner; print([name for name in sys.modules if name.startswith('tuner.')])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
