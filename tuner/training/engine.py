"""The engine of one device: K slots, each a trial; one call of ``step`` moves every busy slot by one training step.

A slot is refilled the moment its trial ends. Trials of one structure lie side by side in a bucket, which steps them in
one program where that is faster; trials of different structures take turns.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch

from tuner.training.bucket import Bucket, Troubles
from tuner.training.checkpoint import Row
from tuner.training.checkpointer import NEVER, Checkpointer, Checkpoints
from tuner.training.compiler import Compiler
from tuner.training.memory import is_out_of_memory
from tuner.training.pace import LOOPED
from tuner.training.prefix import Prefix
from tuner.training.rack import Arrival, Rack
from tuner.training.recipe import Recipe
from tuner.training.sharing import Ending, Sharing
from tuner.training.slot import Diverged, Saved, Slot, initial_model
from tuner.trial import Event, Finished, Metrics, Paused, Reported, Started, State, TrainingPlan, TrialSpec
from tuner.workloads import Workload

FIRST = 4
"""Trials at once as long as nothing is known about their speed."""


class Engine:
    """Trains up to ``slots`` trials of one workload at once on one device; None: as many as are fast, up to ``most``.

    Nothing that a trial or the user's code does raises from here: it becomes the trial's outcome (DIVERGED, or FAILED
    with the traceback as its note). ``form`` has every step computed in one form, "looped" or "fused", where it can be;
    by default the faster one is found by measuring. With a ``compiler``, long work is compiled behind its back. With
    ``share_prefixes``, steps that trials have in common are made once, unless their batches come from one loader.
    ``checkpoints`` says where states are kept, and how often, so that trials can go on from them.
    """

    def __init__(
        self,
        workload: Workload,
        plan: TrainingPlan,
        *,
        slots: int | None,
        most: int = 64,
        worker: str = "inline",
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        form: str | None = None,
        compiler: Compiler | None = None,
        autocast: torch.dtype | None = None,
        share_prefixes: bool = False,
        checkpoints: Checkpoints = NEVER,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._slots, self._most = slots, most if slots is None else slots
        self._workload, self._plan, self._worker = workload, plan, worker
        self._device, self._dtype, self._clock = torch.device(device), dtype, clock
        self._rack = Rack(
            workload,
            self._device,
            dtype,
            form=LOOPED if self._most == 1 else form,  # so that a lone trial's bits never depend on timing
            most=self._most,
            compiler=compiler,
            autocast=autocast,
        )
        self._share_prefixes, self._sharing = share_prefixes, Sharing()
        self._files = Checkpointer(checkpoints, clock)
        self._moving: list[Arrival] = []  # trials between two buckets
        self._stopping: set[int] = set()
        self._events: list[Event] = []
        self._kept: dict[int, Saved] = {}  # states of paused trials, until they are taken

    @property
    def slots(self) -> int:
        """How many trials it trains at once; more, once it is known that they are faster together."""
        if self._slots is not None:
            return self._slots
        return min(self._most, max(FIRST, self._rack.best_width()))

    def free(self) -> int:
        """How many more trials fit now; one that follows another takes no room."""
        return max(0, self._rows() - self._sharing.claims(self.slots))

    def is_idle(self) -> bool:
        """Whether ``step`` would have nothing to do or to tell."""
        return self._sharing.is_empty() and not self._events

    def admit(self, trial: TrialSpec, saved: Saved | None = None) -> None:
        """Put a trial into a free slot, to go on from ``saved`` or from its start; one that cannot becomes FAILED."""
        self._events.append(Started(trial=trial.index, attempt=trial.attempt, at=self._clock(), worker=self._worker))
        self._files.leave(trial.index)
        try:
            recipe = Recipe.of(trial, self._workload.hypers)
            shares = self._share_prefixes and self._rack.feed().keyed
            prefix = Prefix.of(recipe, self._plan.evaluate_every) if shares else None
            self._sharing.enter(Slot(trial, recipe, self._plan), saved, prefix)
        except (Exception, SystemExit):  # noqa: BLE001 - the user's code may raise anything; it is this trial's outcome
            self._finish(trial, State.FAILED, note=traceback.format_exc())

    def stop(self, trial: int) -> None:
        """Have a trial pruned before its next step; nothing happens where it is not here (any more)."""
        if self._sharing.has(trial):
            self._stopping.add(trial)

    def take(self, trial: int) -> Saved:
        """Hand over the state of a trial that has paused: what ``admit`` goes on from, here or in another engine."""
        return self._kept.pop(trial)

    def recall(self, trial: TrialSpec) -> Saved | None:
        """The state that an attempt goes on from, if a checkpoint holds it. May be called from another thread."""
        return self._files.recall(trial)

    def warnings(self) -> list[str]:
        """What the user should know, since the last call. May be called from another thread."""
        waiting = self._files.warnings
        return [waiting.popleft() for _ in range(len(waiting))]

    def step(self) -> list[Event]:
        """One training step of every busy slot; what happened, in order."""
        self._place(self._moving)
        self._moving = []
        self._stop()
        self._place(self._seated())
        self._rack.advance()
        for bucket in self._rack.buckets():
            if bucket.slots:
                self._train(bucket)
        self._tell()
        self._events += self._files.advance(self._states, self._sharing.has)
        self._rack.tidy()
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """End what goes on beside the training; the trials are forgotten."""
        self._rack.close()
        self._files.close()

    def _states(self) -> list[Row]:
        """The states of all who are in training, each with the trials that are in it."""
        training = [(slot, bucket.save(slot)) for bucket in self._rack.buckets() for slot in bucket.slots.values()]
        return [
            Row(attempts=self._sharing.owners(slot), saved=saved) for slot, saved in (*training, *self._moving) if saved
        ]

    def _rows(self) -> int:
        """How many trials more than are in training, and stay there, there may be."""
        leaving = len(self._rack.find(self._stopping))
        return self.slots + leaving - len(self._moving) - sum(len(bucket.slots) for bucket in self._rack.buckets())

    def _stop(self) -> None:
        """End what is to be stopped, before newcomers are given rows."""
        stopping, self._stopping = self._stopping, set()
        for bucket, slot in self._rack.find(stopping):
            self._end(bucket, slot, State.PRUNED)
        for slot in self._sharing.find(stopping):
            self._end(None, slot, State.PRUNED)

    def _seated(self) -> list[Arrival]:
        """Those who wait, as far as there are rows for them, with models."""
        seated: list[Arrival] = []
        for slot, saved in self._sharing.seat(self._rows()):
            try:
                slot.house(initial_model(self._workload, slot.recipe, self._device, self._dtype))
                seated.append((slot, saved))
            except (Exception, SystemExit):  # noqa: BLE001 - the user's code may raise anything; it is this trial's outcome
                self._end(None, slot, State.FAILED, traceback.format_exc())
        return seated

    def _place(self, arrivals: Sequence[Arrival]) -> None:
        for slot, trouble in self._rack.place(arrivals).items():
            self._end(None, slot, State.FAILED, trouble)

    def _train(self, bucket: Bucket) -> None:
        """One step of a bucket: gradients, updates, and the evaluations that are due."""
        found = self._gradients(bucket)
        if found is None:
            for narrower in self._rack.halve(bucket):
                self._train(narrower)
            return
        strange, troubles = found
        for slot, value in strange.items():
            self._end(bucket, slot, State.DIVERGED, note=f"loss became {value} at step {slot.step + 1}")
        self._fail(bucket, troubles)
        if not bucket.slots:
            return
        self._fail(bucket, bucket.update())
        due = bucket.advance()
        if due:
            for slot, metrics in bucket.evaluate(due).items():
                self._report(bucket, slot, metrics)
        for slot in list(bucket.slots.values()):
            if not slot.is_due():
                self._share(bucket, slot)
            if slot.is_to_pause():
                self._pause(slot, bucket.save(slot))
                bucket.remove(slot)
            elif slot.changes_structure():
                self._moving.append((slot, bucket.save(slot)))
                bucket.remove(slot)

    def _gradients(self, bucket: Bucket) -> tuple[dict[Slot, float], Troubles] | None:
        """Those of a step; None where there is no memory for so many rows at once, and nothing has changed."""
        try:
            return bucket.gradients()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        return None  # and with it goes the error, which holds the tensors of the step that failed

    def _report(self, bucket: Bucket, slot: Slot, metrics: Mapping[str, float] | str) -> None:
        """What an evaluation gave, and what follows from it."""
        if isinstance(metrics, str):
            self._end(bucket, slot, State.FAILED, note=metrics)
            return
        try:
            factor = slot.take(metrics)
        except Diverged as reason:
            self._end(bucket, slot, State.DIVERGED, note=str(reason))
            return
        if factor is not None:
            bucket.population.scale(slot.row, factor)
        self._sharing.report(slot, metrics)
        self._share(bucket, slot)
        self._reported(bucket, slot, metrics)

    def _tell(self) -> None:
        """Let those that follow others, or have caught up with them, say the next of what they have to tell."""
        for slot, word in self._sharing.words():
            if isinstance(word, Ending):
                slot.step = word.step
                self._end(None, slot, word.outcome, word.note)
            else:
                slot.step, metrics = word
                slot.take(metrics)
                self._reported(None, slot, metrics)
        for slot, saved in self._sharing.pausing():
            self._pause(slot, saved)

    def _reported(self, bucket: Bucket | None, slot: Slot, metrics: Metrics) -> None:
        trial = slot.trial
        self._events.append(
            Reported(trial=trial.index, attempt=trial.attempt, at=self._clock(), step=slot.step, metrics=metrics)
        )
        if slot.is_done():
            self._end(bucket, slot, State.COMPLETED)
        elif slot.progress.out_of_patience():
            self._end(bucket, slot, State.COMPLETED, note="patience")

    def _share(self, bucket: Bucket, slot: Slot) -> None:
        if self._sharing.wants_copy(slot):
            self._sharing.copy(slot, bucket.save(slot))

    def _pause(self, slot: Slot, saved: Saved) -> None:
        self._sharing.part(slot, lambda: saved)
        trial, step, values = slot.trial, saved["step"], slot.progress.values()
        self._kept[trial.index] = saved
        self._files.rest(trial, saved)
        self._events.append(
            Paused(trial=trial.index, attempt=trial.attempt, at=self._clock(), step=step, values=values)
        )

    def _fail(self, bucket: Bucket, troubles: Troubles) -> None:
        for slot, trouble in troubles.items():
            self._end(bucket, slot, State.FAILED, note=trouble)

    def _end(self, bucket: Bucket | None, slot: Slot, outcome: State, note: str = "") -> None:
        """A trial's outcome; one that has no row is in no bucket."""
        values: Metrics = {}
        if outcome in (State.COMPLETED, State.PRUNED):
            values = slot.progress.values()
            self._sharing.part(slot, (lambda: bucket.save(slot)) if bucket else None)
        else:
            self._sharing.fall(slot, Ending(outcome=outcome, step=slot.step, note=note))
        if bucket:
            bucket.remove(slot)
        self._finish(slot.trial, outcome, step=slot.step, values=values, note=note)

    def _finish(
        self, trial: TrialSpec, outcome: State, *, step: int = 0, values: Metrics = MappingProxyType({}), note: str = ""
    ) -> None:
        at = self._clock()
        self._events.append(
            Finished(
                trial=trial.index, attempt=trial.attempt, at=at, step=step, outcome=outcome, values=values, note=note
            )
        )
