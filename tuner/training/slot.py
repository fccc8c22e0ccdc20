"""One trial in one row of a population: its model's parameters are views of the row, its gradients too."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tuner.optim import Population
from tuner.training.batches import BatchOrder
from tuner.training.progress import Progress, first_diverged
from tuner.training.recipe import Recipe
from tuner.trial import TrainingPlan, TrialSpec, derive_seed
from tuner.workloads import Split, Workload, loss_arguments, model_arguments


class Diverged(Exception):  # noqa: N818 - an outcome, not an error
    """A loss or a metric is no longer finite; the text says which, what and when."""


def initial_model(workload: Workload, recipe: Recipe, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The trial's model with initial values keyed by its seed alone; the caller's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(recipe.seed, "init"))
        return workload.model(**model_arguments(workload, recipe.workload)).to(device=device, dtype=dtype)


class Slot:
    """A trial being trained. ``gradient`` and ``evaluate`` are this trial's share of a step of the engine."""

    def __init__(
        self,
        trial: TrialSpec,
        recipe: Recipe,
        *,
        workload: Workload,
        model: nn.Module,
        data: Split,
        plan: TrainingPlan,
        place: tuple[Population, int],
    ) -> None:
        self.trial, self.recipe, self.plan = trial, recipe, plan
        self.population, self.row = population, row = place
        self.step = 0
        self.lr = math.nan
        self.progress = Progress(plan)
        self._workload, self._model, self._data = workload, model, data
        self._loss_arguments = loss_arguments(workload, recipe.workload)
        examples = len(data.train[0])
        self._orders = {
            whole: BatchOrder(recipe.seed, examples, examples if whole else recipe.batch_size)
            for whole in (False, True)
        }
        self._generator = device_generator(population.params.device)
        self._losses: list[float] = []
        flat = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
        population.fill(
            row,
            recipe.optimizer,
            recipe.hypers,
            flat,
            schedule=recipe.trajectory(),
            options=recipe.options,
            then=recipe.then,
        )
        _bind(model, population.params[row], population.grads[row])

    def gradient(self) -> None:
        """Write this step's gradient into the row. Raises Diverged where the loss is not finite."""
        self.lr = self.population.lr(self.row)
        value = self.probe()
        if not math.isfinite(value):
            raise Diverged(f"loss became {value} at step {self.step + 1}")
        self._losses.append(value)

    def probe(self) -> float:
        """The loss of this step's batch at what now stands in the row; its gradient goes into the row's, afresh."""
        self.population.grads[self.row].zero_()
        order = self._orders[self.population.rule(self.row).full_batch]
        self._generator.manual_seed(derive_seed(self.recipe.seed, "step", self.step))  # dropout, keyed by the step
        inputs, targets = (part[order.at(self.step)] for part in self._data.train)
        loss = self._workload.loss(self._model(inputs), targets, **self._loss_arguments)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        return loss.item()

    def is_due(self) -> bool:
        """Whether the plan wants an evaluation after the steps done so far."""
        return self.step % self.plan.evaluate_every == 0 or self.step == self.recipe.total_steps

    def is_done(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.recipe.total_steps

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """Metrics on the validation set, the mean training loss since the last evaluation, and the last rate used.

        Averages of the weights are measured too, as ``ema_<metric>`` and ``swa_<metric>``; buffers, such as running
        means, are those of the weights in training. Raises Diverged where a number is not finite.
        """
        weights = self.population.weights(self.row)
        metrics = {
            f"{name}_{metric}" if name else metric: value
            for name, average in weights.items()
            for metric, value in self._measured(average).items()
        }
        metrics["train_loss"] = sum(self._losses) / max(len(self._losses), 1)
        metrics["lr"] = self.lr
        self._losses.clear()
        if name := first_diverged(metrics):
            raise Diverged(f"{name} became {metrics[name]} at step {self.step}")
        self.progress.add(metrics)
        return metrics

    def _measured(self, weights: Tensor) -> Mapping[str, float]:
        """Metrics on the validation set with other ``weights`` [P] in the row for a moment."""
        row = self.population.params[self.row]
        trained = row.clone()
        inputs, targets = self._data.valid
        self._model.eval()
        try:
            row.copy_(weights)
            measured: Mapping[str, Tensor | float] = self._workload.measure(self._model(inputs), targets)
            return {name: float(value) for name, value in measured.items()}
        finally:
            row.copy_(trained)
            self._model.train()


def device_generator(device: torch.device) -> torch.Generator:
    """The generator that dropout draws from on ``device``.

    ``torch.manual_seed`` would seed every device's, and without CUDA it queues each call, for ever, with a stack trace.
    """
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator


def _bind(model: nn.Module, params: Tensor, grads: Tensor) -> None:
    """Make the module's parameters and their gradients views of one row [P] each."""
    start = 0
    for p in model.parameters():
        stop = start + p.numel()
        p.data = params[start:stop].view(p.shape)
        p.grad = grads[start:stop].view(p.shape)
        start = stop
