"""Trials of one structure side by side: row k of everything here belongs to one of them.

The step is computed in one of several forms over the same rows, so they can take turns: one by one, or all in one
program, and each of these as PyTorch runs it, or compiled.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from tuner.optim import Population
from tuner.training.batches import Orders
from tuner.training.evaluation import Found, evaluate
from tuner.training.keyed import Keyed, device_generator
from tuner.training.memory import explained, is_out_of_memory
from tuner.training.pace import COMPILED, LOOPED, SINGLE
from tuner.training.slot import Saved, Slot
from tuner.training.structure import Arguments, Gradients, Structure, loss_hypers
from tuner.trial import derive_seed

Troubles = dict[Slot, str]
"""Trials whose code raised, and the traceback."""


class Bucket:
    """``rows`` rows on one device, some of them taken by trials."""

    def __init__(self, structure: Structure, rows: int, device: torch.device, dtype: torch.dtype) -> None:
        self.structure, self.rows = structure, rows
        self.population = Population(rows, structure.layout, device=device, dtype=dtype)
        self.slots: dict[int, Slot] = {}
        self.quiet = 0  # steps since a trial last came
        self._buffers = [b.new_zeros(rows, *b.shape) for b in structure.buffers]
        self._orders = Orders(rows, structure.feed.examples, structure.batch_size, device)
        self._seeds, self._steps = torch.zeros(2, rows, dtype=torch.long, device=device)
        self._sums = torch.zeros(rows, dtype=torch.float64, device=device)
        self._taken = torch.zeros(rows, dtype=torch.bool, device=device)
        self._knobs = {name: torch.zeros(rows, device=device, dtype=dtype) for name in structure.knobs}
        self._batch = (torch.empty(0), torch.empty(0))  # of the step under way
        self._generator = device_generator(device)

    # ------------------------------------------------------------ who is here

    def put(self, slot: Slot, saved: Saved | None = None) -> None:
        """Give a trial a free row, to start or to go on from ``saved``. Raises ValueError for another trial's state."""
        row = next(row for row in range(self.rows) if row not in self.slots)
        try:
            self._begin(slot, row, saved)
        except BaseException:
            self.population.clear(row)
            raise
        self.slots[row] = slot
        self._taken[row] = True
        self.quiet = 0

    def _begin(self, slot: Slot, row: int, saved: Saved | None) -> None:
        recipe, model = slot.recipe, slot.model
        params = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
        self.population.fill(
            row,
            recipe.optimizer,
            recipe.hypers,
            params,
            schedule=recipe.trajectory(),
            options=recipe.options,
            then=recipe.then,
        )
        for ours, theirs in zip(self._buffers, model.buffers(), strict=True):
            ours[row] = theirs
        self._sums[row] = 0.0
        if saved is not None:
            self._restore(slot, row, saved)
        slot.row = row
        slot.bind(self.population.params[row], self.population.grads[row], [b[row].detach() for b in self._buffers])
        self._seeds[row], self._steps[row] = slot.noise, slot.step
        slot.knobs = loss_hypers(self.structure.workload, recipe)[1]
        for name, value in slot.knobs.items():
            self._knobs[name][row] = value
        self._orders.begin(row, recipe.seed, slot.step)

    def remove(self, slot: Slot) -> None:
        """Leave a trial's row idle."""
        self.population.clear(slot.row)
        del self.slots[slot.row]
        self._taken[slot.row] = False

    def save(self, slot: Slot) -> Saved:
        """A copy of all that a trial's next steps depend on, on the CPU."""
        row = slot.row
        return {
            **slot.state(),
            "row": {name: tensor.cpu() for name, tensor in self.population.save(row).items()},
            "buffers": [buffer[row].to("cpu", copy=True) for buffer in self._buffers],
            "sum": self._sums[row].item(),
        }

    def _restore(self, slot: Slot, row: int, saved: Saved) -> None:
        slot.restore(saved)
        self.population.load(row, saved["row"])
        for ours, theirs in zip(self._buffers, saved["buffers"], strict=True):
            ours[row] = theirs
        self._sums[row] = saved["sum"]

    # ------------------------------------------------------------ a training step

    def gradients(self) -> tuple[dict[Slot, float], Troubles]:
        """Write every trial's gradient of this step; the losses that are not finite, and what raised.

        Raises what torch raises where there is no memory for so many rows at once; nothing has changed then.
        """
        self.quiet += 1
        structure = self.structure
        form = structure.pace.choose(self.rows, len(self.slots), structure.compiled)
        started = time.perf_counter()
        try:
            self._batch = self._next_batch()
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error) and self.rows > 1:
                raise
            return {}, dict.fromkeys(self.slots.values(), explained(error))
        try:
            losses, troubles = self._computed(form)
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error):
                raise
            structure.give_up(form, error)  # one by one, the fault shows whose it is
            form, (losses, troubles) = LOOPED, self._looped()
        self._sums += losses
        strange = self._not_finite(losses) if losses.is_cpu else {}  # elsewhere a look would wait for the device
        structure.pace.note(form, self.rows, len(self.slots), time.perf_counter() - started)
        structure.advance_compiling(self.rows, self._some_arguments)
        return {slot: value for slot, value in strange.items() if slot not in troubles}, troubles

    def update(self) -> Troubles:
        """Let every trial's optimizer make its step with the gradients that lie there."""
        troubles: Troubles = {}
        for slot in self.slots.values():
            if slot.is_due(after=1):
                slot.lr = self.population.lr(slot.row)
        try:
            self.population.step(evaluate=lambda rows: self._probe(rows, troubles))
        except Exception as error:  # noqa: BLE001 - out of memory, say; who has made the step is not known
            return dict.fromkeys(self.slots.values(), explained(error))
        return troubles

    def advance(self) -> list[Slot]:
        """Count the step; the trials that are to be evaluated now."""
        self._steps += 1
        due = []
        for row, slot in self.slots.items():
            slot.step += 1
            slot.summed += 1
            if self._orders.is_new_epoch(slot.step):
                self._orders.begin(row, slot.recipe.seed, slot.step)
            if slot.is_due():
                due.append(slot)
        return due

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        if self._orders.is_whole:
            return self.structure.feed.whole(self.rows)
        return self.structure.feed.batch(self._orders.at(self._steps))

    def _arguments(self, rows: slice) -> Arguments:
        buffers = [buffer[rows] for buffer in self._buffers]
        others = (*self._batch, self._seeds, self._steps, *self._knobs.values())
        return self.population.params[rows], buffers, *(each[rows] for each in others)

    def _some_arguments(self, width: int) -> Arguments:
        """Those of ``width`` rows: of all, or from a taken one on."""
        first = 0 if width == self.rows else next(iter(self.slots))
        return self._arguments(slice(first, first + width))

    def _computed(self, form: str) -> tuple[Tensor, Troubles]:
        """The losses of a step in one of its forms; every gradient is in its row."""
        compiled = self.structure.compiled
        if form == LOOPED:
            return self._looped()
        if form == SINGLE:
            found = {row: compiled[1](*self._arguments(slice(row, row + 1))) for row in self.slots}
            losses = self._sums.new_zeros(self.rows)
            for row, one in found.items():  # not before all have been computed: one that raises changes nothing
                losses[row] = self._put(slice(row, row + 1), *one)[0]
            return losses, {}
        run: Gradients = compiled[self.rows] if form == COMPILED else self.structure.program.gradients
        everyone = slice(self.rows)
        return torch.where(self._taken, self._put(everyone, *run(*self._arguments(everyone))).double(), 0.0), {}

    def _put(self, rows: slice, losses: Tensor, grads: Tensor, buffers: Sequence[Tensor]) -> Tensor:
        """Put the gradients and buffers of neighbouring rows where they belong; their losses."""
        self.population.grads[rows] = grads
        for ours, new in zip(self._buffers, buffers, strict=True):
            ours[rows] = new
        return losses

    def _looped(self) -> tuple[Tensor, Troubles]:
        losses, troubles = self._sums.new_zeros(self.rows), Troubles()
        for row, slot in self.slots.items():
            self._try_gradient(slot, losses, row, troubles)
        return losses, troubles

    def _try_gradient(self, slot: Slot, losses: Tensor, at: int, troubles: Troubles) -> None:
        """Put one trial's loss into ``losses[at]``, or what its code raised into ``troubles``."""
        try:
            losses[at] = self._gradient(slot)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code may raise anything; it is this trial's outcome
            troubles[slot] = explained(error)
        slot.settle_buffers()

    def _gradient(self, slot: Slot) -> Tensor:
        """One trial's loss on the batch of this step; its gradient goes into its row, afresh."""
        row = slot.row
        inputs, targets = (part[row] for part in self._batch)
        self.population.grads[row].zero_()
        self._generator.manual_seed(derive_seed(slot.noise, slot.step))  # for what Keyed does not know
        with torch.enable_grad(), Keyed(self._seeds[row], self._steps[row]):
            loss = self.structure.program.loss_of(slot.model, inputs, targets, slot.knobs)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        return loss.detach()

    def _probe(self, rows: Sequence[int], troubles: Troubles) -> Tensor:
        """Losses of rows at what stands in them now, NaN where the user's code raises; their gradients are written.

        Buffers stay as they are: running means belong to the weights in training, not to those that are tried out.
        """
        kept = [buffer.clone() for buffer in self._buffers]
        losses = torch.full((len(rows),), torch.nan, dtype=torch.float64)
        for at, row in enumerate(rows):
            self._try_gradient(self.slots[row], losses, at, troubles)
        for buffer, before in zip(self._buffers, kept, strict=True):
            buffer.copy_(before)
        return losses

    def _not_finite(self, losses: Tensor) -> dict[Slot, float]:
        total = float(losses.sum())  # finite only if every loss is, but for an overflow
        if total - total == 0.0:
            return {}
        return {slot: value for row, slot in self.slots.items() if not math.isfinite(value := losses[row].item())}

    # ------------------------------------------------------------ an evaluation

    def evaluate(self, due: Sequence[Slot]) -> Found:
        """Metrics of each trial on the validation set, or the traceback where the user's code raised.

        Averages of the weights are measured too, as ``ema_<metric>`` and ``swa_<metric>``, with the buffers of the
        weights in training; ``train_loss`` is the mean since the last evaluation, ``lr`` the last rate used.
        """
        found = evaluate(
            self.structure,
            {slot: self.population.weights(slot.row) for slot in due},
            {slot: [buffer[slot.row] for buffer in self._buffers] for slot in due},
        )
        for slot in due:
            metrics = found[slot]
            if not isinstance(metrics, str):
                metrics["train_loss"] = self._sums[slot.row].item() / max(slot.summed, 1)
                metrics["lr"] = slot.lr
            self._sums[slot.row], slot.summed = 0.0, 0
        return found
