"""Samplers, pruners and executors as a spec names them: one frozen model each, told apart by ``name``.

A bare name stands for all the defaults: ``sampler: tpe`` is ``sampler: {name: tpe}``. What the options mean to Optuna
and Ray is said where those are called; the defaults here are the ones that a spec leaves out.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class Model(BaseModel):
    """Frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def tupled(value: object) -> object:
    """A list, as a file has it, as the tuple that a frozen model keeps."""
    return tuple(value) if isinstance(value, list) else value


def seconds(value: object) -> object:
    """``90s``, ``10m`` and ``1h30m`` as seconds; anything else is left to be checked as a number of them."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if not value or match is None or len(value) > 20:
        raise PydanticCustomError("duration", "a time such as 90s, 10m, 1h30m or a number of seconds")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return float(hours * 3600 + minutes * 60 + rest)


# ---------------------------------------------------------------- samplers


class Tpe(Model):
    """Tree-structured Parzen estimator (Bergstra et al. 2011); ``candidates`` are scored for each proposal."""

    name: Literal["tpe"] = "tpe"
    startup_trials: Count = 10
    candidates: Positive = 24
    multivariate: bool = True
    group: bool = True
    constant_liar: bool = True


class Random(Model):
    """Independent draws."""

    name: Literal["random"] = "random"


class Qmc(Model):
    """A low-discrepancy sequence: spreads trials more evenly than chance."""

    name: Literal["qmc"] = "qmc"
    sequence: Literal["sobol", "halton"] = "sobol"
    scramble: bool = True


class CmaEs(Model):
    """Covariance matrix adaptation (Hansen and Ostermeier 2001); ``sigma0`` is relative to the range."""

    name: Literal["cmaes"] = "cmaes"
    startup_trials: Count = 1
    sigma0: Annotated[float, Field(gt=0)] | None = None
    popsize: Annotated[int, Field(ge=2)] | None = None


class Gp(Model):
    """A Gaussian process with expected improvement."""

    name: Literal["gp"] = "gp"
    startup_trials: Count = 10


class Grid(Model):
    """Every combination, ranges at ``points`` values each, or a space's list in its order; ends by itself."""

    name: Literal["grid"] = "grid"
    points: Positive = 5


class Nsga2(Model):
    """The elitist genetic algorithm for several objectives (Deb et al. 2002)."""

    name: Literal["nsga2"] = "nsga2"
    population: Annotated[int, Field(ge=2)] = 50


# ---------------------------------------------------------------- pruners


class NoPruner(Model):
    """Every trial runs to its last step."""

    name: Literal["none"] = "none"


class Median(Model):
    """Stop a trial that is below the median of earlier ones at the same step, from ``warmup_steps`` on."""

    name: Literal["median"] = "median"
    startup_trials: Count = 5
    warmup_steps: Count = 0


class Percentile(Model):
    """Stop a trial that is not among the best ``percentile`` per cent at the same step."""

    name: Literal["percentile"] = "percentile"
    percentile: Annotated[float, Field(gt=0, lt=100)] = 25.0
    startup_trials: Count = 5
    warmup_steps: Count = 0


class SuccessiveHalving(Model):
    """Asynchronous successive halving (Li et al. 2020): keep the best 1/``factor`` at each rung."""

    name: Literal["successive-halving"] = "successive-halving"
    min_steps: Positive | Literal["auto"] = "auto"
    factor: Annotated[int, Field(ge=2)] = 4
    early_rate: Count = 0


class Asha(Model):
    """Asynchronous successive halving as published (Li et al. 2020): trials pause at rungs, the best 1/``eta`` go on.

    ``rungs`` are their steps, in place of ``min_steps`` and its multiples by powers of ``eta``.
    """

    name: Literal["asha"] = "asha"
    eta: Annotated[int, Field(ge=2)] = 3
    min_steps: Positive | Literal["auto"] = "auto"
    rungs: Annotated[tuple[Positive, ...] | None, BeforeValidator(tupled)] = None


class Hyperband(Model):
    """Successive halving at several early rates side by side (Li et al. 2018)."""

    name: Literal["hyperband"] = "hyperband"
    min_steps: Positive | Literal["auto"] = "auto"
    factor: Annotated[int, Field(ge=2)] = 3


class Wilcoxon(Model):
    """Stop repeating a configuration that is worse than the best one by a signed-rank test over its repeats."""

    name: Literal["wilcoxon"] = "wilcoxon"
    p: Annotated[float, Field(ge=0, le=1)] = 0.1
    startup_trials: Count = 2


def named(value: object) -> object:
    """A bare name as the mapping it stands for."""
    return {"name": value} if isinstance(value, str) else value


_T = TypeVar("_T")
Named = Annotated[_T, Field(discriminator="name"), BeforeValidator(named)]

PlainPruner = Named[NoPruner | Median | Percentile | SuccessiveHalving | Hyperband | Wilcoxon]


class Patient(Model):
    """Let ``wrapped`` stop a trial only after ``evaluations`` without an improvement of ``min_delta``."""

    name: Literal["patient"] = "patient"
    wrapped: PlainPruner = Median()
    evaluations: Count = 3
    min_delta: Annotated[float, Field(ge=0)] = 0.0


# ---------------------------------------------------------------- executors


class Training(Model):
    """How an engine trains; what both kinds of real executors have. See ``tuner.training.Setup``.

    States are kept every ``checkpoint_every`` seconds; null or 0 is never.
    """

    slots: Positive | Literal["auto"] = "auto"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    compile: bool = True
    share_prefixes: bool = False
    checkpoint_every: Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(seconds)] = 60.0


class Ray(Training):
    """Workers on a Ray cluster, each with ``slots`` trials at once; ``address`` null starts or finds one.

    A worker that has not done a step for ``step_timeout`` seconds hangs, and is replaced; null waits for ever.
    """

    name: Literal["ray"] = "ray"
    workers: Positive | Literal["auto"] = "auto"
    address: str | None = None
    gpus_per_worker: Annotated[float, Field(ge=0)] | None = None
    step_timeout: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(seconds)] = 600.0


class Inline(Training):
    """In this process, ``slots`` trials at once."""

    name: Literal["inline"] = "inline"


class Simulated(Model):
    """Replays a table of learning curves as if by ``slots`` workers; trains nothing."""

    name: Literal["simulated"] = "simulated"
    slots: Positive = 8


Sampler = Tpe | Random | Qmc | CmaEs | Gp | Grid | Nsga2
Pruner = NoPruner | Median | Percentile | SuccessiveHalving | Asha | Hyperband | Wilcoxon | Patient
Executor = Ray | Inline | Simulated
