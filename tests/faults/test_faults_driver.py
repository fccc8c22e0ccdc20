"""A driver that is killed in the middle of long trials: they lose less than an interval, and come out the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tuner.again import rerun
from tuner.cli.app import main
from tuner.ledger import open_ledger
from tuner.trial import STATE_GONE, Checkpointed, Lost, Proposed, State
from tuner.upkeep import Upkeep

EVERY, SLACK = 0.2, 5.0  # seconds
SPEC = f"""\
workload: noisy-quadratic
objective: loss
budget: {{trials: 1, steps: 4000}}
evaluate_every: 100
sampler: random
executor: {{name: inline, slots: 1, compile: false, checkpoint_every: {EVERY}}}
space:
  optimizer: {{adam: {{lr: {{log: [1e-3, 1e-2]}}}}}}
  schedule: [cosine]
"""
PATIENCE = 60.0


def events_of(store):
    ledger = open_ledger(store)
    try:
        return list(ledger.events("long-1"))
    finally:
        ledger.close()


def wait(store, process):
    """Until a checkpoint is recorded."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with suppress(Exception):  # the tables are being made
            if any(isinstance(event, Checkpointed) for event in events_of(store)):
                return
        time.sleep(0.02)
    raise AssertionError("no checkpoints came")


def test_a_killed_driver_loses_less_than_an_interval_and_no_curve_changes(tmp_path):
    (tmp_path / "long.yaml").write_text(SPEC)
    store = f"sqlite:///{tmp_path / 'tuner.db'}"
    (tmp_path / "here").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "tuner", "run", "../long.yaml", "--store", store, "--mlflow", "none", "--quiet"],
        cwd=tmp_path / "here", stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    wait(store, process)
    killed = time.time()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = events_of(store)
    newest = next(event for event in reversed(before) if isinstance(event, Checkpointed))
    assert killed - newest.at < EVERY + SLACK
    (folder,) = (tmp_path / "here" / "tuner-output" / "long-1").glob("checkpoints-*")
    assert 1 <= len(list(folder.iterdir())) <= 4

    with pytest.raises(SystemExit) as ended:  # from elsewhere: the record says where the files are
        main(["resume", "long", "--store", store, "--mlflow", "none", "--output", str(tmp_path / "there"), "--quiet"])
    assert not ended.value.code
    after = events_of(store)
    (again,) = [event.spec for event in after[len(before) :] if isinstance(event, Proposed)]
    assert (again.index, again.resume_step) == (newest.trial, newest.step)
    assert not folder.exists()
    ledger = open_ledger(store)
    record = ledger.trial("long-1", newest.trial)
    sweep = ledger.load("long-1")
    ledger.close()
    assert record.state is State.COMPLETED
    undisturbed = rerun(sweep, record)
    assert [point.step for point in record.curve] == [point.step for point in undisturbed.curve]
    assert undisturbed.difference == 0.0


ENDLESS = """\
workload: noisy-quadratic
objective: loss
budget: {trials: 1, steps: 200000}
evaluate_every: 100
sampler: random
executor: {name: inline, slots: 1, compile: false, checkpoint_every: 0.05}
space:
  optimizer: {adam: {lr: {log: [1e-3, 1e-2]}}}
  schedule: ["mine.py:easing"]
"""
EASING = """\
def easing(step, total_steps):
    return 1 - 0.5 * step / total_steps
"""


def lives(*arguments):
    """A life of a driver that ends with its second checkpoint."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--store", "sqlite:///tuner.db", "--mlflow", "none", "--quiet"])
    assert ended.value.code == 130


def test_states_of_other_code_are_not_gone_on_from(tmp_path, monkeypatch, capsys):
    write, told = Upkeep.write, []

    def interrupted(self, events):
        write(self, events)
        told.extend(event for event in events if isinstance(event, Checkpointed))
        if len(told) == 2:
            told.clear()
            raise KeyboardInterrupt

    monkeypatch.setattr(Upkeep, "write", interrupted)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.yaml").write_text(ENDLESS)
    (tmp_path / "mine.py").write_text(EASING)
    lives("run", "long.yaml")
    lives("resume", "long")  # nothing has changed
    (tmp_path / "mine.py").write_text(EASING.replace("0.5", "0.25"))
    lives("resume", "long", "--accept-changes")
    assert "begin again" in capsys.readouterr().err
    events = events_of("sqlite:///tuner.db")
    starts = [event.spec.resume_step for event in events if isinstance(event, Proposed)]
    steps = [event.step for event in events if isinstance(event, Checkpointed)]
    assert starts == [0, steps[1], steps[3], steps[2], 0]
    assert [event.reason for event in events if isinstance(event, Lost)] == [STATE_GONE] * 2
