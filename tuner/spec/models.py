"""A sweep as its user writes it: what to train, what to search, how, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from tuner.space import Source
from tuner.spec.options import Executor, Model, Named, NoPruner, Positive, Pruner, Ray, Sampler, Tpe, seconds
from tuner.trial import Direction

LARGEST_SEED = 2**53


def listed(value: object) -> object:
    """One objective, by its metric's name or as a mapping, or a list of them, as a tuple of mappings."""
    objectives = value if isinstance(value, list) else [value]
    return tuple({"metric": one} if isinstance(one, str) else one for one in objectives)


def counted(value: object) -> object:
    """A bare number of evaluations as the mapping it stands for."""
    return {"evaluations": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Budget(Model):
    """When a sweep ends: after ``trials`` training runs of ``steps`` steps each, or ``wall_time`` seconds."""

    trials: Positive | None = None
    steps: Positive | None = None
    wall_time: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(seconds)] = None


class ObjectiveSpec(Model):
    """A metric of the workload; ``direction`` null is the metric's own."""

    metric: Annotated[str, Field(min_length=1)]
    direction: Direction | None = None
    at: Literal["last", "best"] = "last"


class PatienceSpec(Model):
    """Stop a trial after ``evaluations`` evaluations without an improvement of ``min_delta`` (first objective)."""

    evaluations: Positive
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class SweepSpec(Model):
    """A whole sweep, valid in itself; ``space`` is the space as plain data, its presets written out.

    ``evaluate_every`` is in steps; None leaves it to the length of a trial.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
    workload: Annotated[str, Field(min_length=1)]
    objective: Annotated[tuple[ObjectiveSpec, ...], BeforeValidator(listed), Field(min_length=1)]
    budget: Budget
    evaluate_every: Positive | None = None
    space: Mapping[str, Any]
    sampler: Named[Sampler] = Tpe()
    pruner: Named[Pruner] = NoPruner()
    executor: Named[Executor] = Ray()
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    repeats: Positive = 1
    patience: Annotated[PatienceSpec | None, BeforeValidator(counted)] = None

    _source: Source = PrivateAttr(default_factory=lambda: Source("the sweep's spec"))

    @property
    def source(self) -> Source:
        """Where the spec was read, for messages about what only a workload can judge."""
        return self._source

    def read_from(self, source: Source) -> SweepSpec:
        """This spec, with ``source`` as the place it was read."""
        copy = self.model_copy()
        copy._source = source
        return copy

    def dump(self) -> dict[str, Any]:
        """As plain data, every default written out; ``from_data`` gives the same spec back."""
        return self.model_dump(mode="json")
