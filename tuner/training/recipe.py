"""A trial's flat parameters, sorted by who uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from tuner import optim, schedules
from tuner.hyper import CLIP_NORM, SEED, Hyper, complete
from tuner.trial import TrialSpec, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one trial is trained: every hyperparameter present, checked, and in its place."""

    optimizer: str
    hypers: Mapping[str, Value]
    schedule: str
    schedule_hypers: Mapping[str, Value]
    clip_norm: float | None
    batch_size: int
    seed: int
    workload: Mapping[str, Value]
    total_steps: int

    @classmethod
    def of(cls, trial: TrialSpec, workload_hypers: Mapping[str, Hyper]) -> Recipe:
        """Read a trial's parameters. Raises UsageError where one is unknown or outside its domain."""
        shared = {key: value for key, value in trial.params.items() if "." not in key}
        optimizer = str(shared.pop("optimizer", "sgd"))
        schedule = str(shared.pop("schedule", "constant"))
        clip_norm = shared.pop("clip_norm", CLIP_NORM.default)
        seed = shared.pop("seed", trial.seed)
        CLIP_NORM.check("clip_norm", clip_norm)
        SEED.check("seed", seed)
        workload = complete("workload", workload_hypers, shared)
        return cls(
            optimizer=optimizer,
            hypers=complete(optimizer, optim.get(optimizer).hypers, own(trial, optimizer)),
            schedule=schedule,
            schedule_hypers=complete(schedule, schedules.get(schedule).hypers, own(trial, schedule)),
            clip_norm=None if clip_norm is None else float(clip_norm),
            batch_size=int(workload["batch_size"] or 0),
            seed=int(seed or 0),
            workload=workload,
            total_steps=trial.total_steps,
        )

    def trajectory(self) -> Callable[[Tensor], Mapping[str, Tensor]]:
        """The hypers that vary with the step: 0-based steps [n] -> {"lr": [n]} in float64."""
        factor = schedules.get(self.schedule)
        lr = float(self.hypers["lr"] or 0.0)

        def values(steps: Tensor) -> Mapping[str, Tensor]:
            return {"lr": lr * factor(steps, self.total_steps, **self.schedule_hypers)}

        return values


def own(trial: TrialSpec, name: str) -> dict[str, Value]:
    """The trial's parameters of one optimizer or schedule, by their short names: ``adamw.lr`` as ``lr``."""
    prefix = name + "."
    return {key.removeprefix(prefix): value for key, value in trial.params.items() if key.startswith(prefix)}
