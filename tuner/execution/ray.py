"""Trials on a Ray cluster: one actor a device, each with an engine of ``slots`` slots.

Ray restarts nothing (``max_restarts=0``): a dead actor's trials become Lost events, the driver queues them again, and
a fresh actor takes the dead one's place.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import RayActorError, RayError

from tuner.errors import ExecutorError
from tuner.execution.capacity import must_fit
from tuner.execution.cluster import Cluster
from tuner.execution.worker import Worker
from tuner.trial import Event, Finished, Lost, TrainingPlan, TrialSpec
from tuner.workloads import Workload

DRAIN_SECONDS = 5.0  # a silent actor answers this often, so a dead one is noticed
GROUPS = {"commands": 1, "drain": 1}  # threads: commands stay in order, beside a drain that waits
START_SECONDS = 300.0  # how long the first actor may take; a cluster may have to fetch an image first
FUTILE_DEATHS = 3  # actors that died in a row before they could take a trial


class RayExecutor:
    """Feeds actors and collects their events. Raises ExecutorError where actors cannot be kept alive."""

    def __init__(
        self,
        workload: Workload,
        plan: TrainingPlan,
        cluster: Cluster,
        *,
        slots: int,
        workers: int | None = None,
        gpus_per_worker: float | None = None,
    ) -> None:
        self._cluster, self._slots = cluster, slots
        gpus = (1.0 if cluster.gpus else 0.0) if gpus_per_worker is None else gpus_per_worker
        self._options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "concurrency_groups": GROUPS}
        self._arguments = (ray.put(_portable(workload)), plan, slots)
        available = cluster.gpus // gpus if gpus else cluster.cpus
        count = workers or max(1, int(available))
        if count > available:
            kind = f"{gpus:g} GPU" if gpus else "1 CPU"
            raise ExecutorError(
                f"executor.ray.workers: {count} workers of {kind} each do not fit the cluster, which has "
                f"{cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs; ask for at most {int(available)}, or `workers: auto`"
            )
        self._load: dict[Any, dict[int, TrialSpec]] = {}  # actor that has answered -> its running trials
        self._drains: dict[Any, Any] = {}  # pending drain -> actor
        self._deaths = 0
        for _ in range(count):
            self._spawn()
        self._await_first()

    def free(self) -> int:
        """How many more trials it would take now."""
        return sum(self._slots - len(running) for running in self._load.values())

    def submit(self, trials: Sequence[TrialSpec]) -> None:
        """Hand each trial to the actor with most free slots. Raises ExecutorError where they are more than ``free``."""
        must_fit(trials, self.free())
        batches: dict[Any, list[TrialSpec]] = {}
        for trial in trials:
            actor = min(self._load, key=lambda a: len(self._load[a]))
            self._load[actor][trial.index] = trial
            batches.setdefault(actor, []).append(trial)
        for actor, batch in batches.items():
            actor.submit.options(concurrency_group="commands").remote(batch)

    def poll(self, timeout: float) -> Sequence[Event]:
        """Events of every actor that has some; waits up to ``timeout`` seconds for the first."""
        pending = list(self._drains)
        ready, rest = ray.wait(pending, num_returns=1, timeout=timeout)
        if ready and rest:
            ready += ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        events: list[Event] = []
        for drain in ready:
            events += self._collect(drain)
        return events

    def stop(self, trial: int) -> None:
        """Have a running trial pruned before its next step."""
        for actor, running in self._load.items():
            if trial in running:
                actor.stop.options(concurrency_group="commands").remote(trial)

    def close(self) -> None:
        """End the actors, and the cluster if it was started for this sweep."""
        for actor in {*self._load, *self._drains.values()}:
            ray.kill(actor)
        self._load.clear()
        self._drains.clear()
        self._cluster.close()

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

    def _collect(self, drain: Any) -> list[Event]:
        actor = self._drains.pop(drain)
        try:
            events: list[Event] = ray.get(drain)
        except RayActorError as death:
            return self._bury(actor, str(death))
        except RayError as error:
            raise ExecutorError(f"executor.ray: a worker failed: {error}") from error
        self._deaths = 0
        self._load.setdefault(actor, {})
        for event in events:
            if isinstance(event, Finished):
                self._load[actor].pop(event.trial, None)
        self._drain(actor)
        return events

    def _bury(self, actor: Any, reason: str) -> list[Event]:
        if actor not in self._load:
            self._deaths += 1
            if self._deaths >= FUTILE_DEATHS:
                raise ExecutorError(f"executor.ray: {self._deaths} workers in a row died at their start: {reason}")
        trials = self._load.pop(actor, {}).values()
        ray.kill(actor)  # it may only have been out of reach; its CPU or GPU is needed for the next one
        self._spawn()
        now = time.time()
        return [Lost(trial=t.index, attempt=t.attempt, at=now, reason=f"worker died: {reason[:500]}") for t in trials]


class _Actor(Worker):
    """The worker as Ray starts it: the workload arrives pickled."""

    def __init__(self, workload: bytes, plan: TrainingPlan, slots: int) -> None:
        super().__init__(cloudpickle.loads(workload), plan, slots)


def _portable(workload: Workload) -> bytes:
    """The workload pickled; code that workers could not import (a user's own file) travels with it by value."""
    module = sys.modules[type(workload).__module__]
    own_file = not module.__name__.startswith("tuner.")
    if own_file:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(workload))
    except Exception as error:
        raise ExecutorError(f"executor.ray: {type(workload).__name__} cannot be sent to workers: {error}") from error
    finally:
        if own_file:
            cloudpickle.unregister_pickle_by_value(module)
