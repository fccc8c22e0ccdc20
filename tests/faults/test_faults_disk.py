"""Checkpoints on a disk that is slow, full, missing or read-only: training goes on, and the user is told once."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from tuner.execution.inline import InlineExecutor
from tuner.training import Checkpoints, Engine, checkpointer
from tuner.training.checkpoint import folder_of, write
from tuner.trial import Checkpointed, Finished, Objective, Paused, Reported, TrialSpec
from tuner.trial import TrainingPlan as Plan
from tuner.workloads import load

STEPS = 40
PLAN = Plan(objectives=(Objective(metric="loss", direction="minimize"),), evaluate_every=5)
PARAMS = {"optimizer": "adam", "schedule": "cosine"}
PATIENCE = 20.0


def spec(index=0, **stretch):
    return TrialSpec(sweep="s-1", index=index, params=PARAMS, seed=3, total_steps=STEPS, **stretch)


@pytest.fixture
def output(tmp_path):
    folder_of(tmp_path, "s-1").mkdir(parents=True)
    return tmp_path


def engine_of(output, slots=1, **options):
    return Engine(
        load("noisy-quadratic"), PLAN, slots=slots, checkpoints=Checkpoints(every=0.0, output=str(output)), **options
    )


def run(engine, *starts, until=Finished):
    """Steps until every trial's last word is there, and what is being written is told; every event."""
    for trial, saved in starts:
        engine.admit(trial, saved)
    events = []
    while sum(isinstance(e, until) for e in events) < len(starts):
        events += engine.step()
    return events


def curve(events, trial=0):
    return [(e.step, dict(e.metrics)) for e in events if isinstance(e, Reported) and e.trial == trial]


def settled(engine):
    """Steps without trials until what is being written has been told."""
    deadline = time.monotonic() + PATIENCE
    events = []
    while not events:
        events = engine.step()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return events


def full(folder, rows):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_step_waits_for_the_disk_and_one_file_is_written_at_a_time(output, monkeypatch):
    begun, allowed = [], threading.Event()

    def slowly(folder, rows):
        begun.append(threading.current_thread())
        assert allowed.wait(PATIENCE)
        return write(folder, rows)

    monkeypatch.setattr(checkpointer, "write", slowly)
    whole = run(Engine(load("noisy-quadratic"), PLAN, slots=1), (spec(), None))
    engine = engine_of(output, slots=2)
    events = run(engine, (spec(), None))  # to its end, while the disk has not moved
    assert curve(events) == curve(whole)
    assert not [e for e in events if isinstance(e, Checkpointed)]
    assert len(begun) == 1
    assert begun[0] is not threading.main_thread()
    engine.admit(spec(1))
    engine.step()
    allowed.set()
    engine.close()  # waits for what is being written
    assert len(list(folder_of(output, "s-1").iterdir())) == 1


def test_a_file_whose_trials_have_ended_meanwhile_is_deleted(output, monkeypatch):
    allowed = threading.Event()

    def slowly(folder, rows):
        assert allowed.wait(PATIENCE)
        return write(folder, rows)

    monkeypatch.setattr(checkpointer, "write", slowly)
    engine = engine_of(output)
    run(engine, (spec(), None))
    allowed.set()
    came, deadline = False, time.monotonic() + PATIENCE
    while not came or list(folder_of(output, "s-1").iterdir()):
        came = came or bool(list(folder_of(output, "s-1").glob("*.safetensors")))
        if came:
            assert engine.step() == []
        assert time.monotonic() < deadline
    engine.close()


@pytest.mark.parametrize("trouble", ["full", "missing", "in the way"])
def test_training_goes_on_where_nothing_can_be_written_and_says_so_once(tmp_path, trouble, monkeypatch):
    folder = folder_of(tmp_path, "s-1")
    if trouble == "full":
        monkeypatch.setattr(checkpointer, "write", full)
    if trouble == "in the way":
        folder.parent.mkdir()
        folder.write_text("this is no folder")
    whole = run(Engine(load("noisy-quadratic"), PLAN, slots=1), (spec(), None))
    said = []
    executor = InlineExecutor(engine_of(tmp_path), said.append)
    executor.submit([spec()])
    events = []
    while not any(isinstance(e, Finished) for e in events):
        events += executor.poll(0.01)
        time.sleep(0.001)
    executor.poll(0.01)
    executor.close()
    assert curve(events) == curve(whole)
    assert not [e for e in events if isinstance(e, Checkpointed)]
    (message,) = said
    reason = {"full": "No space left on device", "missing": "No such file", "in the way": "Not a directory"}[trouble]
    for part in (str(folder), reason, "training goes on"):
        assert part in message


def test_what_could_not_be_written_is_tried_again_and_the_next_trouble_is_told_again(output, monkeypatch):
    disk = {"full": True}
    monkeypatch.setattr(checkpointer, "write", lambda *a: full(*a) if disk["full"] else write(*a))
    engine = engine_of(output, slots=2)
    run(engine, (spec(pause_step=10), None), until=Paused)
    events = run(engine, (spec(1), None))
    assert len(engine.warnings()) == 1
    assert not [e for e in events if isinstance(e, Checkpointed)]
    disk["full"] = False
    engine.admit(spec(2))
    while not any((e.trial, e.step) == (0, 10) for e in events if isinstance(e, Checkpointed)):
        events += settled(engine)  # the state of the trial that paused long ago
    assert engine.warnings() == []
    disk["full"] = True
    engine.admit(spec(3))
    while not engine.is_idle():
        engine.step()
        time.sleep(0.001)
    engine.step()
    assert len(engine.warnings()) == 1
    engine.close()


def test_a_trial_that_goes_on_leaves_no_state_of_its_pause_to_be_written(output, monkeypatch):
    disk = {"full": True}
    monkeypatch.setattr(checkpointer, "write", lambda *a: full(*a) if disk["full"] else write(*a))
    engine = engine_of(output)
    run(engine, (spec(pause_step=10), None), until=Paused)
    time.sleep(0.01)
    engine.step()
    engine.admit(spec(attempt=1, resume_step=10), engine.take(0))
    disk["full"] = False
    told = []
    while not engine.is_idle():
        told += engine.step()
        time.sleep(0.001)
    engine.close()
    assert 10 not in [e.step for e in told if isinstance(e, Checkpointed)]


def test_trials_that_pause_in_one_state_have_one_row(output):
    engine = engine_of(output, slots=2, share_prefixes=True)
    starts = [(spec(index, pause_step=10), None) for index in range(3)]
    run(engine, *starts, until=Paused)
    told = []
    while len(told) < 3:
        told += [e for e in settled(engine) if isinstance(e, Checkpointed) and e.step == 10]
    assert {e.trial for e in told} == {0, 1, 2}
    assert len({e.path for e in told}) == 1
    for index in range(3):
        assert engine.recall(spec(index, attempt=1, resume_step=10))["step"] == 10
    engine.close()
