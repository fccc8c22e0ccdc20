"""A small sweep through the queue, with real processes: its runner is killed, it is paused, goes on, and is done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tuner import spec as specs
from tuner.cluster import Runner, Setting, submit
from tuner.ledger import open_ledger
from tuner.trial import Finished, Proposed

TRIALS = 16
SPEC = f"""\
name: slow
workload: noisy-quadratic
objective: loss
budget: {{trials: {TRIALS}, steps: 250}}
sampler: random
executor: {{name: inline, slots: 2}}
space:
  optimizer: {{sgd: {{lr: {{log: [1e-3, 1e-1]}}}}}}
"""


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path / 'tuner.db'}"


@pytest.fixture
def ledger(store):
    with closing(open_ledger(store)) as opened:
        yield opened


def until(condition, turn=lambda: None):
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline, "it never came that far"
        turn()
        time.sleep(0.05)


def outcomes(ledger):
    return sorted(event.trial for event in ledger.events("slow-1") if isinstance(event, Finished))


def test_a_sweep_outlives_its_runner_is_paused_goes_on_and_is_done(ledger, store, tmp_path):
    assert submit(specs.parse(SPEC, "slow.yaml"), SPEC, ledger, owner="ada").id == "slow-1"
    command = [sys.executable, "-m", "tuner", "work", "--mlflow", "none", "--output", str(tmp_path)]
    surroundings = {**os.environ, "TUNER_STORE": store}
    queue = ledger.queue
    with subprocess.Popen(command, env=surroundings, cwd=tmp_path, stdout=subprocess.DEVNULL) as first:
        until(lambda: len(outcomes(ledger)) >= 2)
        first.kill()
    job = queue.job("slow-1")
    assert (job.state, job.runner["kind"]) == ("running", "process")
    driver = job.runner["pid"]
    assert store not in Path(f"/proc/{driver}/cmdline").read_text()

    setting = Setting(store=store, output=tmp_path, mlflow="none")
    second = Runner(ledger, setting)
    second.turn()
    found = queue.job("slow-1")  # by the second runner, which leaves it to run
    assert (found.state, found.runs, found.runner) == ("running", 1, job.runner)
    queue.pause("slow-1", time.time())
    until(lambda: queue.job("slow-1").state == "paused", second.turn)
    before = outcomes(ledger)
    assert 2 <= len(before) < TRIALS
    assert ledger.summary("slow-1").status == "interrupted"

    queue.requeue("slow-1", time.time())
    until(lambda: queue.job("slow-1").state == "done", second.turn)
    job = queue.job("slow-1")
    assert (job.runs, job.losses, job.note) == (2, 0, "")
    assert outcomes(ledger) == list(range(TRIALS))
    proposed = [(e.trial, e.attempt) for e in ledger.events("slow-1") if isinstance(e, Proposed)]
    assert len(proposed) == len(set(proposed))
    assert ledger.load("slow-1").environment["python"]
    assert ledger.summary("slow-1").status == "done"
