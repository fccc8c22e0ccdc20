"""Real signals and a real limit on file size, on real processes: nothing recorded is lost, nothing is counted twice."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time

import pytest
from cli_specs import spec_text

from tuner.ledger import open_ledger
from tuner.trial import Finished, Proposed, State

TRIALS = 24
SLOW = spec_text(budget=f"{{trials: {TRIALS}, steps: 300}}", executor="{name: inline, slots: 3}")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "slow.yaml").write_text(SLOW)
    return tmp_path


def launch(place, **options):
    command = [sys.executable, "-m", "tuner", "run", "slow.yaml", "--mlflow", "none", "--quiet"]
    return subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


def outcomes(place):
    ledger = open_ledger(f"sqlite:///{place / 'tuner.db'}")
    try:
        return [event.trial for event in ledger.events("slow-1") if isinstance(event, Finished)]
    finally:
        ledger.close()


def wait_for_outcomes(place, process, count):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        if (place / "tuner.db").exists():
            try:
                if len(outcomes(place)) >= count:
                    return
            except Exception:  # noqa: BLE001, S110 - the tables are being made
                pass
        time.sleep(0.05)
    raise AssertionError("the sweep never came that far")


def finish(tuner, place):
    """Resume, and check that every trial has exactly one outcome."""
    store = f"sqlite:///{place / 'tuner.db'}"
    before = outcomes(place)
    result = tuner("resume", "slow", "--store", store, "--mlflow", "none", "--output", place, "--quiet", "--json")
    assert result.code == 0, result.err
    after = outcomes(place)
    assert sorted(after) == list(range(TRIALS))
    assert after[: len(before)] == before
    ledger = open_ledger(store)
    proposed = [(e.trial, e.attempt) for e in ledger.events("slow-1") if isinstance(e, Proposed)]
    assert len(proposed) == len(set(proposed))
    assert {record.state for record in ledger.trials("slow-1", curves=False)} <= {State.COMPLETED}
    ledger.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_stops_cleanly_and_says_how_to_go_on(tuner, place, number):
    process = launch(place)
    wait_for_outcomes(place, process, 4)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "tuner resume slow-1" in err
    assert "Traceback" not in err
    assert 4 <= len(outcomes(place)) < TRIALS
    finish(tuner, place)


def test_a_kill_in_the_middle_loses_no_outcome(tuner, place):
    process = launch(place)
    wait_for_outcomes(place, process, 4)
    process.kill()
    process.communicate()
    assert 4 <= len(outcomes(place)) < TRIALS
    finish(tuner, place)


def test_a_full_disk_stops_the_sweep_with_one_message_and_it_can_go_on(tuner, place):
    limit = 230_000  # bytes a file may have: the ledger reaches it somewhere in the middle of the sweep

    process = launch(place, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, (out, err)
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert "tuner resume slow-1" in err
    assert len(outcomes(place)) < TRIALS
    finish(tuner, place)
