"""Processes as the runner sees them: found by what is on record, stopped, and never running without a record."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from cluster_fakes import drafted, recurring

from tuner.cluster import Setting
from tuner.cluster.processes import Processes
from tuner.errors import LeaseError
from tuner.ledger import open_ledger
from tuner.ledger.holder import Holder

STORE = "postgresql://user:secret@db/tuner"


@pytest.fixture
def job():
    with closing(open_ledger("sqlite://")) as ledger:
        ledger.queue.submit(drafted(recurring("q"), 0.0, 1), owner="ada", at=0.0)
        yield ledger.queue.take(Holder.here(), limit=1, per_owner=1, at=1.0)


@pytest.fixture
def make(tmp_path):
    """Processes that run a shell script in place of a sweep's driver."""

    def call(script):
        setting = Setting(store=STORE, output=tmp_path / "out", mlflow="none")
        return Processes(setting, Holder.here(), ("/bin/sh", "-c", f"cd {tmp_path}; {script}"))

    return call


@pytest.fixture
def begin(job):
    """Begin it, and kill what is left of it in the end."""
    begun = []

    def call(processes):
        processes.begin(job, begun.append)
        return begun[-1]

    yield call
    for runner in begun:
        with suppress(ProcessLookupError):
            os.killpg(runner["pid"], signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(runner["pid"], 0)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came that far"
        time.sleep(0.01)


@pytest.mark.parametrize(("code", "ends"), [(0, "gone"), (1, "gone"), (2, "refused"), (130, "gone")])
def test_how_a_process_ends_is_seen_and_what_it_said_is_kept(make, begin, job, code, ends):
    processes = make(f"echo first; echo last >&2; exit {code}")
    runner = begin(processes)
    seen = []
    until(lambda: seen.append(processes.condition(runner)) or seen[-1] != "alive")
    assert seen[-1] == ends
    assert processes.words(job) == "first\nlast"
    assert processes.condition(runner) == "gone"


def test_the_store_and_its_password_are_in_the_environment_only(make, begin, tmp_path):
    runner = begin(make('echo "$TUNER_STORE $MLFLOW_TRACKING_URI" > seen; sleep 100'))
    until(lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").read_text())
    assert (tmp_path / "seen").read_text() == f"{STORE} none\n"
    assert "secret" not in Path(f"/proc/{runner['pid']}/cmdline").read_text()
    assert oct((tmp_path / "out" / "q-1" / "driver.log").stat().st_mode)[-3:] == "600"


def test_a_driver_asks_no_service_whatever_its_runner_asks(make, begin, job, monkeypatch):
    monkeypatch.setenv("TUNER_SERVER", "http://service")
    monkeypatch.setenv("TUNER_TOKEN", "secret")
    processes = make('echo "<$TUNER_SERVER$TUNER_TOKEN>"')
    runner = begin(processes)
    until(lambda: processes.condition(runner) != "alive")
    assert processes.words(job) == "<>"


def test_a_process_does_nothing_before_it_is_on_record_and_nothing_at_all_if_it_never_is(make, job, tmp_path):
    seen = []

    def refuse(runner):
        seen.append(Holder(**{name: value for name, value in runner.items() if name != "kind"}))
        time.sleep(0.1)
        assert not seen[0].is_dead()  # it waits; were this runner killed now, its end of the pipe would close as well
        raise LeaseError("another runner has taken it over")

    with pytest.raises(LeaseError):
        make("touch ran").begin(job, refuse)
    assert seen[0].is_dead()
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ChildProcessError):  # nor is anything left of it
        os.waitpid(seen[0].pid, 0)


def test_a_process_is_asked_and_then_killed_with_all_its_children(make, begin, tmp_path):
    processes = make("trap 'echo asked > asked' TERM; sleep 100 & echo $! > child; wait; wait")
    runner = begin(processes)
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = Holder.of(int((tmp_path / "child").read_text()))
    processes.stop(runner, hard=False)
    until((tmp_path / "asked").exists)
    assert processes.condition(runner) == "alive"
    processes.stop(runner, hard=True)
    until(lambda: processes.condition(runner) == "gone" and child.is_dead())
    processes.stop(runner, hard=True)  # there is nothing left, and that is no fault


def test_a_process_of_another_machine_or_boot_is_not_seen_and_one_of_the_same_id_is_not_it(make, begin):
    processes = make("sleep 100")
    runner = begin(processes)
    assert processes.condition(runner) == "alive"
    assert processes.condition({**runner, "machine": "another boot"}) == "unseen"
    assert processes.condition({**runner, "started": "1"}) == "gone"
    other = replace(Holder.here(), started="1")
    assert processes.condition({"kind": "process", **asdict(other)}) == "gone"


def test_where_the_system_does_not_tell_when_a_process_began_only_children_are_seen(make, begin):
    processes = make("sleep 100")
    runner = begin(processes)
    processes._here = replace(processes._here, machine="", started="")  # as on a system without /proc
    unknown = {**runner, "machine": "", "started": ""}
    assert processes.condition(unknown) == "alive"
    assert processes.condition({**unknown, "pid": os.getppid()}) == "unseen"
    processes.stop(unknown, hard=True)
    until(lambda: processes.condition(unknown) == "gone")
    assert processes.condition(unknown) == "unseen"
