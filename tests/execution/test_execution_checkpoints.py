"""Executors find on disk what no memory holds any more: after their own end, and after that of a worker."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import closing
from dataclasses import replace

import pytest
from executor_contract import curve, drive, outcome

from tuner.execution.inline import InlineExecutor
from tuner.execution.ray import RayExecutor
from tuner.training import Checkpoints, Engine, Setup
from tuner.training.checkpoint import folder_of
from tuner.trial import (
    STATE_GONE,
    Checkpointed,
    Lost,
    Objective,
    Started,
    State,
    TrainingPlan,
    TrialSpec,
)
from tuner.workloads import load

PLAN = TrainingPlan(objectives=(Objective(metric="loss", direction="minimize"),), evaluate_every=100)
PARAMS = {"optimizer": "adam", "schedule": "cosine"}
STEPS, PATIENCE = 4000, 60.0


def spec(index, steps, **stretch):
    return TrialSpec(sweep="s-1", index=index, params=PARAMS, seed=3, total_steps=steps, **stretch)


@pytest.fixture
def output(tmp_path):
    folder_of(tmp_path, "s-1").mkdir(parents=True)
    return tmp_path


def inline(output):
    plan = Checkpoints(every=0.0, output=str(output))
    return InlineExecutor(Engine(load("noisy-quadratic"), PLAN, slots=1, checkpoints=plan), pytest.fail)


def whole(trial):
    """The curve of a trial that nothing happens to."""
    with closing(InlineExecutor(Engine(load("noisy-quadratic"), PLAN, slots=1))) as executor:
        return curve(drive(executor, [replace(trial, attempt=0, resume_step=0)])[trial.index])


def until(executor, enough):
    """What happens until ``enough`` of it has."""
    events, deadline = [], time.monotonic() + PATIENCE
    while not enough(events):
        assert time.monotonic() < deadline
        events += executor.poll(0.05)
    return events


def joined(before, step, after):
    return [point for point in curve(before) if point[0] <= step] + curve(after)


def test_what_one_left_behind_another_goes_on_with(output):
    trial = spec(0, 800)
    with closing(inline(output)) as executor:
        executor.submit([trial])
        before = until(executor, lambda events: sum(isinstance(e, Checkpointed) for e in events) > 2)
    step = next(e.step for e in reversed(before) if isinstance(e, Checkpointed))
    with closing(inline(output)) as executor:
        after = drive(executor, [replace(trial, attempt=1, resume_step=step)])[0]
    assert joined(before, step, after) == whole(trial)
    assert outcome(after).outcome is State.COMPLETED


def test_what_nobody_left_behind_is_lost_and_takes_no_slot(output):
    with closing(inline(output)) as executor:
        (lost,) = drive(executor, [spec(0, 800, attempt=1, resume_step=7)])[0]
        assert (lost.reason, executor.free()) == (STATE_GONE, 1)


def test_a_killed_workers_trials_go_on_in_another_and_so_do_those_that_it_paused(output, ray_cluster):
    warned = []
    setup = Setup(slots=1, compiles=False, checkpoints=Checkpoints(every=0.05, output=str(output)))
    pausing, long = spec(0, STEPS, pause_step=100), spec(1, STEPS)
    with closing(
        RayExecutor(load("noisy-quadratic"), PLAN, ray_cluster, setup=setup, workers=1, warn=warned.append)
    ) as executor:
        before = drive(executor, [pausing])
        executor.submit([long])
        told = until(executor, lambda events: {e.trial for e in events if isinstance(e, Checkpointed)} == {0, 1})
        os.kill(int(next(e.worker for e in told if isinstance(e, Started)).rpartition("/")[2]), signal.SIGKILL)
        told += until(executor, lambda events: any(isinstance(e, Lost) for e in events) and executor.free())
        executor._kept._states.clear()  # as if the paused trial's node were gone as well
        newest = {e.trial: e.step for e in told if isinstance(e, Checkpointed)}
        before[1] = [e for e in told if e.trial == 1]
        again = [
            replace(trial, attempt=1, resume_step=newest[trial.index], pause_step=None) for trial in (pausing, long)
        ]
        after = drive(executor, again)
        shutil.rmtree(output)
        executor.submit([spec(2, 10**9)])
        until(executor, lambda _: warned)
    expected = whole(long)
    assert newest[0] == 100
    for trial in (0, 1):
        assert joined(before[trial], newest[trial], after[trial]) == expected
        assert outcome(after[trial]).outcome is State.COMPLETED
    assert len(warned) == 1
    assert "training goes on" in warned[0]
