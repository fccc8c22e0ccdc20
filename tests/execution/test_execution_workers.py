"""Workers that are of no more use: they hang, fall silent, lose their device or their memory; and workers that join."""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import replace

import pytest
from executor_contract import drive, outcome
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError
from test_execution_ray import PLAN, own, trial

from tuner.execution import ray as ray_module
from tuner.execution.ray import RayExecutor
from tuner.execution.worker import Worker
from tuner.training import Setup
from tuner.training.lost_device import is_device_lost
from tuner.trial import Finished, Lost, Started, State
from tuner.workloads import load

TINY = Setup(slots=2, compiles=False)
ASSERT = "CUDA error: device-side assert triggered"
TROUBLES = f"""import time
        if width == 5: time.sleep(1e6)
        if width == 6: raise RuntimeError("{ASSERT}")
"""
PATIENCE = 60.0


def wide(index, width, steps=300):
    plain = trial(index, steps)
    return replace(plain, params={**plain.params, "width": width})


def lost(executor, count):
    """The next so many losses."""
    deadline, found = time.monotonic() + PATIENCE, []
    while len(found) < count:
        assert time.monotonic() < deadline
        found += [event for event in executor.poll(0.1) if isinstance(event, Lost)]
    return found


def until_free(executor, slots):
    deadline = time.monotonic() + PATIENCE
    while executor.free() < slots:
        assert time.monotonic() < deadline
        executor.poll(0.1)


def test_workers_join_and_those_of_no_more_use_are_replaced(ray_cluster, tmp_path, monkeypatch):
    assert ray_cluster.cpus >= 2
    monkeypatch.setattr(ray_module, "DRAIN_SECONDS", 0.2)
    monkeypatch.setattr(ray_module, "GROW_SECONDS", 0.0)
    smaller = replace(ray_cluster, cpus=1.0, owned=False)  # which has grown since
    with closing(RayExecutor(own(tmp_path, TROUBLES), PLAN, smaller, setup=TINY, step_timeout=60.0)) as executor:
        until_free(executor, int(2 * ray_cluster.cpus))
        told = drive(executor, [wide(index, 1) for index in range(4)])
        assert len({event.worker for events in told.values() for event in events if isinstance(event, Started)}) > 1
        assert all(outcome(events).outcome is State.COMPLETED for events in told.values())

        executor.submit([wide(4, 5), wide(5, 6)])  # one to each
        (broken,) = lost(executor, 1)
        monkeypatch.setattr(executor, "_step_timeout", 1.0)  # only now: what is new may be slow
        (hung,) = lost(executor, 1)
        monkeypatch.setattr(executor, "_step_timeout", 60.0)
        assert (broken.trial, hung.trial) == (5, 4)
        assert broken.reason == f"worker died: its device is lost: RuntimeError: {ASSERT}"
        assert re.match(r"worker died: it hung: no step was done in \d+ s; executor.step_timeout is 1 s", hung.reason)

        until_free(executor, int(2 * ray_cluster.cpus))
        executor.submit([wide(6, 1, steps=10**9), wide(7, 1, steps=10**9)])
        executor._asked = dict.fromkeys(executor._asked, time.monotonic() - 91)  # they say nothing
        silent = executor._end_silent()
        assert {event.trial for event in silent} == {6, 7}
        assert {event.reason for event in silent} == {"worker died: silent for 90 s"}


@pytest.mark.parametrize(
    "death",
    [
        OutOfMemoryError("Task was killed due to the node running low on memory."),
        ActorDiedError(),
        NodeDiedError("the node is away"),
    ],
)
def test_every_death_is_one_of_the_worker_alone(monkeypatch, death):
    executor = object.__new__(RayExecutor)  # which has one worker, whose answer tells of the death
    actor, spawned = "worker", []
    executor._drains, executor._load = {"drain": actor}, {actor: {0: trial(0)}}
    executor._room, executor._asked, executor._spawn = {}, {}, lambda: spawned.append(True)

    def get(reference):
        raise death

    monkeypatch.setattr(ray_module.ray, "get", get)
    monkeypatch.setattr(ray_module.ray, "kill", lambda actor: None)
    (event,) = executor._collect("drain")
    assert (event.trial, spawned) == (0, [True])
    is_memory = isinstance(death, OutOfMemoryError)
    assert ("lower executor.slots, executor.workers or batch_size" in event.reason) == is_memory


def test_a_lost_device_is_no_trials_outcome(tmp_path):
    worker = Worker(own(tmp_path, TROUBLES), PLAN, TINY)
    worker.submit([wide(0, 6)], {})
    deadline, events, word = time.monotonic() + PATIENCE, [], worker.drain(0.1)
    while not word.broken:
        assert time.monotonic() < deadline
        events += word.events
        word = worker.drain(0.1)
    assert word.broken == f"RuntimeError: {ASSERT}"
    assert not any(isinstance(event, Finished) for event in (*events, *word.events))


def test_a_worker_ends_what_it_began(monkeypatch):
    worker, closed = Worker(load("noisy-quadratic"), PLAN, TINY), []
    monkeypatch.setattr(worker._engine, "close", lambda: closed.append(True))
    worker.submit([trial(0, steps=10**9)], {})
    worker.close()
    assert closed


@pytest.mark.parametrize(
    ("text", "is_lost"),
    [
        ("RuntimeError: CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be", True),
        (f"torch.AcceleratorError: {ASSERT}", True),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", False),
        ("RuntimeError: CUDA error: invalid argument", False),
        ("ValueError: an unknown error", False),
    ],
)
def test_what_is_said_of_a_lost_device(text, is_lost):
    assert is_device_lost(text) is is_lost
