"""Trials on a Ray cluster: one actor a device, each with an engine.

Ray restarts nothing (``max_restarts=0``): a dead actor's trials become Lost events, the driver queues them again, and
a fresh actor takes the dead one's place. An actor that makes no more steps, or has lost its device, is ended and
counts as dead. The state of a paused trial leaves its actor for Ray's object store, where
the driver owns it: it outlives the actor, lies on disk where memory is short, and goes from node to node by itself.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, RayError, WorkerCrashedError

from tuner import schedules
from tuner.errors import ExecutorError
from tuner.execution.capacity import must_fit
from tuner.execution.cluster import Cluster
from tuner.execution.kept import Kept
from tuner.execution.worker import Word, Worker
from tuner.training import Saved, Setup
from tuner.trial import Event, Finished, Lost, Paused, TrainingPlan, TrialSpec
from tuner.workloads import Workload

_log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0  # a silent actor answers this often, so a dead one is noticed
SILENT_SECONDS = 30.0  # by which an answer may be late, beyond the time that a step may take
GROUPS = {"commands": 1, "drain": 1}  # threads: commands stay in order, beside a drain that waits
START_SECONDS = 300.0  # how long the first actor may take; a cluster may have to fetch an image first
FUTILE_DEATHS = 3  # actors that died in a row before they could take a trial
GROW_SECONDS = 5.0  # between two looks at whether the cluster has room for one more actor
CLOSE_SECONDS = 3.0  # that actors have to end what they have begun beside the training
DEATHS = (RayActorError, OutOfMemoryError, NodeDiedError, WorkerCrashedError)  # how Ray says that an actor is gone


class RayExecutor:
    """Feeds actors and collects their events. Raises ExecutorError where actors cannot be kept alive.

    Without ``workers`` there are as many as the cluster has room for, also when nodes join it later. An actor whose
    step takes longer than ``step_timeout`` seconds (None: it may) hangs, and is ended. ``warn`` hears what the user
    should know.
    """

    def __init__(
        self,
        workload: Workload,
        plan: TrainingPlan,
        cluster: Cluster,
        *,
        setup: Setup,
        workers: int | None = None,
        gpus_per_worker: float | None = None,
        step_timeout: float | None = None,
        warn: Callable[[str], None] = _log.warning,
    ) -> None:
        self._cluster, self._warn, self._step_timeout = cluster, warn, step_timeout
        gpus = self._gpus = (1.0 if cluster.gpus else 0.0) if gpus_per_worker is None else gpus_per_worker
        self._options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "concurrency_groups": GROUPS}
        self._arguments = (ray.put(_portable(workload)), plan, setup)
        available = self._available(cluster.cpus, cluster.gpus)
        count = workers or max(1, available)
        if workers and workers > available:
            kind = f"{gpus:g} GPU" if gpus else "1 CPU"
            raise ExecutorError(
                f"executor.ray.workers: {count} workers of {kind} each do not fit the cluster, which has "
                f"{cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs; ask for at most {available}, or `workers: auto`"
            )
        self._load: dict[Any, dict[int, TrialSpec]] = {}  # actor that has answered -> its running trials
        self._room: dict[Any, int] = {}  # actor -> how many trials it can have
        self._drains: dict[Any, Any] = {}  # pending drain -> actor
        self._asked: dict[Any, float] = {}  # actor -> when its pending drain was sent
        self._grows = workers is None
        self._looked = time.monotonic()  # at the size of the cluster
        self._kept = Kept[Any]()  # references to states in Ray's object store
        self._deaths = 0
        for _ in range(count):
            self._spawn()
        self._await_first()

    def free(self) -> int:
        """How many more trials it would take now."""
        return sum(max(0, self._left(actor)) for actor in self._load)

    def submit(self, trials: Sequence[TrialSpec]) -> None:
        """Hand each trial to the actor with most room. Raises ExecutorError where they are more than ``free``.

        A state that is not kept here is for the actor to find.
        """
        must_fit(trials, self.free())
        batches: dict[Any, tuple[list[TrialSpec], dict[int, Any]]] = {}
        for trial in trials:
            actor = max(self._load, key=self._left)
            self._load[actor][trial.index] = trial
            batch, states = batches.setdefault(actor, ([], {}))
            batch.append(trial)
            if (state := self._kept.state(trial)) is not None:
                states[trial.index] = state
        for actor, (batch, states) in batches.items():
            actor.submit.options(concurrency_group="commands").remote(batch, states)

    def poll(self, timeout: float) -> Sequence[Event]:
        """Events of every actor that has some; waits up to ``timeout`` seconds for the first."""
        events: list[Event] = []
        ready, rest = ray.wait(list(self._drains), num_returns=1, timeout=timeout)
        if ready and rest:
            ready += ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for drain in ready:
            events += self._collect(drain)
        self._grow()
        return events + self._end_silent()

    def stop(self, trial: int) -> None:
        """Have a running trial pruned before its next step."""
        for actor, running in self._load.items():
            if trial in running:
                actor.stop.options(concurrency_group="commands").remote(trial)

    def close(self) -> None:
        """End the actors, and the cluster if it was started for this sweep."""
        closing = [actor.close.options(concurrency_group="commands").remote() for actor in self._load]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for actor in {*self._load, *self._drains.values()}:
            ray.kill(actor)
        self._load.clear()
        self._drains.clear()
        self._cluster.close()

    def _left(self, actor: Any) -> int:
        """How many more trials an actor would take."""
        return self._room[actor] - len(self._load[actor])

    def _available(self, cpus: float, gpus: float) -> int:
        """How many actors a cluster has room for."""
        return int(gpus // self._gpus if self._gpus else cpus)

    def _grow(self) -> None:
        """Start actors on what has joined the cluster."""
        now = time.monotonic()
        if not self._grows or now - self._looked < GROW_SECONDS:
            return
        self._looked = now
        there = ray.cluster_resources()
        for _ in range(self._available(there.get("CPU", 0.0), there.get("GPU", 0.0)) - len(self._drains)):
            self._spawn()

    def _end_silent(self) -> list[Event]:
        """Bury the actors that have not answered for longer than a step may take, whatever keeps them."""
        if self._step_timeout is None:
            return []
        longest = self._step_timeout + SILENT_SECONDS
        now = time.monotonic()
        silent = [actor for actor in self._load if now - self._asked[actor] > longest]
        return [lost for actor in silent for lost in self._bury(actor, f"silent for {longest:g} s")]

    def _spawn(self) -> None:
        actor = ray.remote(**self._options)(_Actor).remote(*self._arguments)
        self._drain(actor, timeout=0.0)  # its answer, empty as it is, says that the actor is up

    def _await_first(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._load:
            self.poll(1.0)
            if time.monotonic() > deadline:
                raise ExecutorError(
                    f"executor.ray: no worker came up within {START_SECONDS:g} s: the cluster has no room "
                    f"({self._cluster.cpus:g} CPUs and {self._cluster.gpus:g} GPUs in all); free some, or try later"
                )

    def _drain(self, actor: Any, timeout: float = DRAIN_SECONDS) -> None:
        self._drains[actor.drain.options(concurrency_group="drain").remote(timeout)] = actor
        self._asked[actor] = time.monotonic()

    def _collect(self, drain: Any) -> list[Event]:
        actor = self._drains.pop(drain)
        try:
            word: Word = ray.get(drain)
        except DEATHS as death:
            return self._bury(actor, _cause(death))
        except RayError as error:
            raise ExecutorError(f"executor.ray: a worker failed: {error}") from error
        self._deaths = 0
        self._room[actor] = word.room
        self._load.setdefault(actor, {})
        for warning in word.warnings:
            self._warn(warning)
        for event in word.events:
            if isinstance(event, Finished | Paused | Lost):
                self._load[actor].pop(event.trial, None)
        # Nobody waits for the states: should the actor die before it hands one over, whoever fetches it finds out.
        self._kept.follow(word.events, actor.take.options(concurrency_group="commands").remote)
        if word.broken:
            return word.events + self._bury(actor, f"its device is lost: {word.broken}")
        if self._step_timeout is not None and word.busy > self._step_timeout:
            limit = f"executor.step_timeout is {self._step_timeout:g} s"
            return word.events + self._bury(actor, f"it hung: no step was done in {word.busy:.0f} s; {limit}")
        self._drain(actor)
        return word.events

    def _bury(self, actor: Any, reason: str) -> list[Event]:
        """End an actor, whose trials are lost for that reason, and start another in its place."""
        if actor not in self._load:
            self._deaths += 1
            if self._deaths >= FUTILE_DEATHS:
                raise ExecutorError(f"executor.ray: {self._deaths} workers in a row died at their start: {reason}")
        trials = self._load.pop(actor, {}).values()
        for books in (self._room, self._asked):
            books.pop(actor, None)
        self._drains = {drain: other for drain, other in self._drains.items() if other != actor}
        ray.kill(actor)  # it may only have been out of reach; its CPU or GPU is needed for the next one
        self._spawn()
        now = time.time()
        return [Lost(trial=t.index, attempt=t.attempt, at=now, reason=f"worker died: {reason[:500]}") for t in trials]


def _cause(death: Exception) -> str:
    """Why an actor is gone, and what may be done about it."""
    text = str(death)
    if isinstance(death, OutOfMemoryError) or "memory monitor" in text or "running low on memory" in text:
        return f"its node ran out of memory; lower executor.slots, executor.workers or batch_size: {text}"
    return text


class _Actor(Worker):
    """The worker as Ray starts it: the workload arrives pickled, with the schedules in users' own code."""

    def __init__(self, workload: bytes, plan: TrainingPlan, setup: Setup) -> None:
        own_workload, own_schedules = cloudpickle.loads(workload)
        for ref, schedule in own_schedules.items():
            schedules.pin(ref, schedule)
        super().__init__(own_workload, plan, setup)

    def submit(self, trials: Sequence[TrialSpec], states: Mapping[int, Any]) -> None:
        """Fetch the states that trials go on from, as far as they were not lost with their nodes."""
        found: dict[int, Saved] = {}
        for trial, state in states.items():
            with suppress(RayError):
                found[trial] = ray.get(state)
        super().submit(trials, found)


def _portable(workload: Workload) -> bytes:
    """The workload, and the schedules in users' own code, pickled; what workers could not import travels by value."""
    own = schedules.pinned()
    names = {type(workload).__module__, *(schedule.shape.__module__ for schedule in own.values())}
    modules = [sys.modules[name] for name in names if not name.startswith("tuner.")]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps((workload, own)))
    except Exception as error:
        what = " or ".join([type(workload).__name__, *own])
        raise ExecutorError(f"executor.ray: {what} cannot be sent to workers: {error}") from error
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
