"""Two drivers of one sweep, a driver that was stopped for too long, a database that goes away, code that changed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from cli_specs import spec_text
from sqlalchemy import text

from tuner.errors import StoreError
from tuner.ledger import database, leases, open_ledger, outage, writing
from tuner.ledger.schema import sweeps
from tuner.trial import Finished, Started, State

TRIALS = 8
SLOW = spec_text(budget=f"{{trials: {TRIALS}, steps: 600}}", executor="{name: inline, slots: 2}")
OWN = """\
def easing(step, total_steps):
    return 1 - 0.5 * step / total_steps
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tuner.db'}"
    return request.getfixturevalue("postgres").database()


def options(store, place):
    return ("--store", store, "--mlflow", "none", "--output", str(place), "--quiet")


def launch(place, store):
    (place / "slow.yaml").write_text(SLOW)
    command = [sys.executable, "-m", "tuner", "run", "slow.yaml", *options(store, place)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=place, start_new_session=True, **pipes)


def outcomes(ledger):
    return sorted(event.trial for event in ledger.events("slow-1") if isinstance(event, Finished))


def until(condition, process=None):
    deadline = time.monotonic() + 120
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it never came that far"
        time.sleep(0.05)


def wait_for_outcomes(ledger, process, count):
    until(lambda: ledger.sweeps() and len(outcomes(ledger)) >= count, process)


def stop_between_two_writes(monkeypatch, driver, store):
    """Stop the process where it holds no lock of the database: who is stopped in a commit has to be waited for."""
    while True:
        driver.send_signal(signal.SIGSTOP)
        with monkeypatch.context() as hurry, suppress(StoreError):
            hurry.setattr(database, "LOCK_SECONDS", "0.2")
            with closing(open_ledger(store)) as ledger, ledger._database.writing() as connection:
                connection.execute(text("UPDATE sweeps SET epoch = epoch"))
            return
        driver.send_signal(signal.SIGCONT)
        time.sleep(0.01)


def test_a_second_driver_is_refused_and_a_stopped_one_that_was_replaced_writes_nothing(
    tuner, tmp_path, store, monkeypatch
):
    with closing(open_ledger(store)) as ledger, launch(tmp_path, store) as driver:
        wait_for_outcomes(ledger, driver, 1)
        stop_between_two_writes(monkeypatch, driver, store)
        refused = tuner("resume", "slow", *options(store, tmp_path))
        assert refused.code == 1
        assert f"error: slow-1 is run by process {driver.pid} on " in refused.err
        assert "stop it there (Ctrl-C or SIGTERM)" in refused.err
        assert "goes on" not in refused.err

        with ledger._database.writing() as connection:  # it was stopped for longer than that
            connection.execute(text("UPDATE sweeps SET held_until = 0"))
        resumed = tuner("resume", "slow", *options(store, tmp_path))
        assert resumed.code == 0, resumed.err
        assert outcomes(ledger) == list(range(TRIALS))
        recorded = list(ledger.events("slow-1"))

        driver.send_signal(signal.SIGCONT)
        _, err = driver.communicate(timeout=60)
        assert driver.returncode == 1, err
        assert err.startswith("error: slow-1: this driver was silent for longer than its lease lasts, and the sweep")
        assert "Traceback" not in err
        assert "goes on" not in err
        assert list(ledger.events("slow-1")) == recorded
        assert next(summary.status for summary in ledger.sweeps()) == "done"


def test_a_driver_that_has_nothing_to_write_learns_that_it_was_replaced(tuner, tmp_path, monkeypatch):
    store = f"sqlite:///{tmp_path / 'tuner.db'}"
    monkeypatch.setattr(leases, "DURATION", 0.2)  # so it asks every twentieth of a second
    for_ever = spec_text(budget="{trials: 1, steps: 100000000}", extra="evaluate_every: 100000000\n")
    (tmp_path / "slow.yaml").write_text(for_ever)

    def replace():
        with closing(open_ledger(store)) as ledger:
            until(lambda: ledger.sweeps() and any(isinstance(e, Started) for e in ledger.events("slow-1")))
            with ledger._database.writing() as connection:
                connection.execute(sweeps.update().values(epoch=sweeps.c.epoch + 1))

    with ThreadPoolExecutor() as pool:
        replaced = pool.submit(replace)
        result = tuner("run", tmp_path / "slow.yaml", *options(store, tmp_path))
        replaced.result()
    assert result.code == 1
    assert "this driver was silent for longer than its lease lasts" in result.err


def test_a_sweep_outlives_a_database_that_crashes(tmp_path, postgres):
    store = postgres.database()
    with closing(open_ledger(store)) as ledger, launch(tmp_path, store) as driver:
        for crash in range(1, 4):
            wait_for_outcomes(ledger, driver, crash)
            postgres.stop()
            postgres.start()
        _, err = driver.communicate(timeout=120)
        assert driver.returncode == 0, err
        assert outcomes(ledger) == list(range(TRIALS))


def test_a_sweep_whose_database_stays_away_stops_with_one_message_and_goes_on_later(
    tuner, tmp_path, postgres, monkeypatch
):
    store = postgres.database()
    (tmp_path / "slow.yaml").write_text(SLOW)
    appended = []

    def append(*arguments, real=writing.append):
        appended.append(None)
        if len(appended) == 6:
            postgres.stop()
        real(*arguments)

    with monkeypatch.context() as outages:
        outages.setattr(outage, "PATIENCE", 0.2)
        outages.setattr(writing, "append", append)
        away = tuner("run", tmp_path / "slow.yaml", *options(store, tmp_path))
    assert away.code == 1
    assert away.err.startswith("error: store postgresql")
    assert "the server is away; check its host and port" in away.err
    assert "what was recorded is safe: `tuner resume slow-1` goes on" in away.err
    postgres.start()
    resumed = tuner("resume", "slow", *options(store, tmp_path))
    assert resumed.code == 0, resumed.err
    with closing(open_ledger(store)) as ledger:
        assert {record.state for record in ledger.trials("slow-1")} == {State.COMPLETED}
        assert outcomes(ledger) == list(range(TRIALS))


@pytest.fixture
def finished(tuner, tmp_path):
    """A sweep with a schedule in the user's own file; what `tuner resume` says to it."""
    own, spec, store = tmp_path / "own.py", tmp_path / "one.yaml", f"sqlite:///{tmp_path / 'store.db'}"
    own.write_text(OWN)
    spec.write_text(spec_text(extra="  schedule: own.py:easing\n"))
    assert tuner("run", spec, *options(store, tmp_path)).code == 0
    return own, store, lambda *more: tuner("resume", "one", *options(store, tmp_path), *more)


def test_a_sweep_goes_on_with_what_it_was_begun_with(finished):
    _, _, resume = finished
    again = resume()
    assert (again.code, again.err) == (0, "")


def test_other_code_and_other_libraries_are_shown_and_must_be_accepted(finished):
    own, store, resume = finished
    own.write_text(OWN.replace("0.5", "0.25"))
    with closing(open_ledger(store)) as ledger:
        environment = dict(ledger.load("one").environment) | {"torch": "0.1", "platform": "elsewhere", "cpus": 1000}
        with ledger._database.writing() as connection:
            connection.execute(sweeps.update().values(environment=environment))
    refused = resume()
    assert refused.code == 2
    lines = refused.err.splitlines()
    assert lines[0].startswith("error: one-1 was begun with something else")
    assert f"  {own}: the file has changed" in lines
    assert [line.partition(" ->")[0] for line in lines if "->" in line] == ["  torch: 0.1"]
    assert lines[-1] == "`tuner resume one-1 --accept-changes` goes on all the same"
    accepted = resume("--accept-changes")
    assert accepted.code == 0
    assert f"{own}: the file has changed" in accepted.err
    assert resume().code == 0, "what was accepted once is what it goes on with"


def test_a_spec_that_this_program_reads_otherwise_is_a_change(finished):
    _, store, resume = finished
    with closing(open_ledger(store)) as ledger:
        spec = dict(ledger.load("one").spec)
        del spec["repeats"]  # an older program knew of no such thing
        with ledger._database.writing() as connection:
            connection.execute(sweeps.update().values(spec=spec))
    refused = resume()
    assert refused.code == 2
    assert "  spec, repeats: not there -> 1" in refused.err.splitlines()
