"""The engine of one device: K slots, each a trial; one call of ``step`` moves every busy slot by one training step.

A slot is refilled the moment its trial ends. Gradients are taken slot by slot; the update is one call for the whole
population, whatever optimizers are in it.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from tuner.optim import Layout, Population
from tuner.training.recipe import Recipe
from tuner.training.slot import Diverged, Slot, initial_model
from tuner.trial import Event, Finished, Metrics, Reported, Started, State, TrainingPlan, TrialSpec
from tuner.workloads import Split, Workload


class Engine:
    """Trains up to ``slots`` trials of one workload at once on one device.

    Trials whose models have parameters of the same shapes share a population. Nothing that a trial or the user's
    code does raises from here: it becomes the trial's outcome (DIVERGED, or FAILED with the traceback as its note).
    """

    def __init__(
        self,
        workload: Workload,
        plan: TrainingPlan,
        *,
        slots: int,
        worker: str = "inline",
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.slots = slots
        self._workload, self._plan, self._worker = workload, plan, worker
        self._device, self._dtype, self._clock = torch.device(device), dtype, clock
        self._populations: dict[Layout, Population] = {}
        self._busy: dict[int, Slot] = {}
        self._stopping: set[int] = set()
        self._broken: dict[int, str] = {}  # trials whose code raised within a step, and what it said
        self._events: list[Event] = []
        self._data: Split | None = None

    def free(self) -> int:
        """How many more trials fit now."""
        return self.slots - len(self._busy)

    def is_idle(self) -> bool:
        """Whether ``step`` would have nothing to do or to tell."""
        return not self._busy and not self._events

    def admit(self, trial: TrialSpec) -> None:
        """Put a trial into a free slot; a trial that cannot start becomes FAILED."""
        self._events.append(Started(trial=trial.index, attempt=trial.attempt, at=self._clock(), worker=self._worker))
        try:
            self._busy[trial.index] = self._start(trial)
        except (Exception, SystemExit):  # noqa: BLE001 - the user's code may raise anything; it is this trial's outcome
            self._finish(trial, State.FAILED, note=traceback.format_exc())

    def stop(self, trial: int) -> None:
        """Have a trial pruned before its next step; nothing happens where it has ended already."""
        if trial in self._busy:
            self._stopping.add(trial)

    def step(self) -> list[Event]:
        """One training step of every busy slot; what happened, in order."""
        for index in sorted(self._stopping):
            self._end(self._busy[index], State.PRUNED)
        self._stopping.clear()
        for population in self._populations.values():
            population.grads.zero_()
        for slot in list(self._busy.values()):
            self._guarded(slot, slot.gradient)
        for population in self._populations.values():
            population.step(evaluate=lambda rows, at=population: self._losses(at, rows))  # type: ignore[misc]
        for index, trouble in sorted(self._broken.items()):
            self._end(self._busy[index], State.FAILED, note=trouble)
        self._broken.clear()
        for slot in list(self._busy.values()):
            slot.step += 1
            if slot.is_due():
                self._guarded(slot, lambda slot=slot: self._evaluate(slot))  # type: ignore[misc]
        events, self._events = self._events, []
        return events

    def _losses(self, population: Population, rows: Sequence[int]) -> Tensor:
        """Losses of rows at what stands in them now, NaN where the user's code raises; their gradients are written."""
        slots = {slot.row: slot for slot in self._busy.values() if slot.population is population}
        losses = []
        for row in rows:
            try:
                with torch.enable_grad():
                    losses.append(slots[row].probe())
            except (Exception, SystemExit):  # noqa: BLE001 - the user's code may raise anything; it is this trial's outcome
                self._broken[slots[row].trial.index] = traceback.format_exc()
                losses.append(math.nan)
        return torch.tensor(losses, dtype=torch.float64)

    def _start(self, trial: TrialSpec) -> Slot:
        recipe = Recipe.of(trial, self._workload.hypers)
        data = self._load()
        model = initial_model(self._workload, recipe, self._device, self._dtype)
        population, row = self._row(Layout.of_model(model))
        return Slot(
            trial, recipe, workload=self._workload, model=model, data=data, plan=self._plan, place=(population, row)
        )

    def _load(self) -> Split:
        if self._data is None:
            data = self._workload.data()
            self._data = Split(train=self._place(*data.train), valid=self._place(*data.valid))
        return self._data

    def _place(self, *parts: Tensor) -> tuple[Tensor, Tensor]:
        """On the device, and floating point in the engine's precision."""
        inputs, targets = (p.to(self._device, self._dtype if p.is_floating_point() else p.dtype) for p in parts)
        return inputs, targets

    def _row(self, layout: Layout) -> tuple[Population, int]:
        """A free row for a model of this layout; populations that nobody uses are dropped."""
        used = {id(slot.population) for slot in self._busy.values()}
        self._populations = {at: p for at, p in self._populations.items() if at == layout or id(p) in used}
        if layout not in self._populations:
            self._populations[layout] = Population(self.slots, layout, device=self._device, dtype=self._dtype)
        population = self._populations[layout]
        taken = {slot.row for slot in self._busy.values() if slot.population is population}
        return population, next(row for row in range(self.slots) if row not in taken)

    def _evaluate(self, slot: Slot) -> None:
        metrics = slot.evaluate()
        trial = slot.trial
        self._events.append(
            Reported(trial=trial.index, attempt=trial.attempt, at=self._clock(), step=slot.step, metrics=metrics)
        )
        if slot.is_done():
            self._end(slot, State.COMPLETED)
        elif slot.progress.out_of_patience():
            self._end(slot, State.COMPLETED, note="patience")

    def _guarded(self, slot: Slot, work: Callable[[], None]) -> None:
        try:
            work()
        except Diverged as reason:
            self._end(slot, State.DIVERGED, note=str(reason))
        except (Exception, SystemExit):  # noqa: BLE001 - the user's code may raise anything; it is this trial's outcome
            self._end(slot, State.FAILED, note=traceback.format_exc())

    def _end(self, slot: Slot, outcome: State, note: str = "") -> None:
        del self._busy[slot.trial.index]
        slot.population.clear(slot.row)
        values = slot.progress.values() if outcome in (State.COMPLETED, State.PRUNED) else {}
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
