"""From a spec to objects: the only place that knows every concrete class."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tuner import spec as specs
from tuner.errors import UsageError
from tuner.execution.inline import InlineExecutor
from tuner.protocols import Executor
from tuner.search import Search, make_search
from tuner.space import Problems, Space
from tuner.spec import SweepSpec, options
from tuner.study import Budget
from tuner.tracking import Place, address
from tuner.tracking.wording import without_passwords
from tuner.training import Checkpoints, Setup
from tuner.trial import Patience, Sweep, TrainingPlan
from tuner.workloads import Workload, check_workload, load

CheckpointPlace = tuple[Path, str]  # see ``folder_of``

FEWEST, MOST = 4, 64  # trials at once in one engine, where the spec leaves it to measuring
GENERATIONS = 4  # of trials at least, one learning from the other, that a budget is spread over
EVALUATIONS = 10  # a trial, where the spec does not say
RECORDED_LIBRARIES = ("tuner", "torch", "optuna", "ray", "mlflow", "sqlalchemy", "numpy", "scikit-learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A spec with everything it names looked up and checked; nothing has been started yet."""

    spec: SweepSpec
    workload: Workload
    space: Space
    plan: TrainingPlan
    budget: Budget


def prepare(spec: SweepSpec) -> Prepared:
    """Look up and check everything that a spec names.

    Raises SpecError for what the workload or the registries do not have, UnknownNameError and WorkloadError for the
    workload itself, UsageError for options that do not go together.
    """
    if spec.executor.name not in _EXECUTORS:
        raise UsageError(f"executor: {spec.executor.name} needs a table of curves; run `tuner simulate TABLE SPEC`")
    workload = _workload(spec)
    steps = spec.budget.steps or workload.default_steps
    plan = TrainingPlan(
        objectives=specs.objectives(spec, workload.metrics),
        evaluate_every=spec.evaluate_every or max(1, steps // EVALUATIONS),
        patience=patience(spec),
    )
    prepared = Prepared(
        spec=spec,
        workload=workload,
        space=specs.search_space(spec, workload.hypers),
        plan=plan,
        budget=Budget(steps=steps, trials=spec.budget.trials, wall_time=spec.budget.wall_time),
    )
    sampler(prepared)  # refuses what does not go together, before anything is recorded
    return prepared


def located(spec: SweepSpec, folder: Path) -> SweepSpec:
    """The spec with its users' own files, found from here or beside the spec, by their whole paths.

    So a sweep can be resumed and its trials run again from anywhere.
    """

    def whole(ref: str) -> str:
        file, colon, name = ref.rpartition(":")
        for path in (Path(file), folder / file):
            if colon and file.endswith(".py") and path.is_file():
                return f"{path.resolve()}:{name}"
        return ref

    return specs.with_references(spec, whole)


def _workload(spec: SweepSpec) -> Workload:
    try:
        workload = load(spec.workload)
    except UsageError as error:
        problems = Problems()
        problems.add(("workload",), str(error))
        problems.raise_any(spec.source)
        raise
    check_workload(workload)
    return workload


def sampler(prepared: Prepared) -> Search:
    """A fresh sampler and pruner, as the spec says."""
    return search(prepared.spec, prepared.space, prepared.plan, prepared.budget.steps)


def search(spec: SweepSpec, space: Space, plan: TrainingPlan, steps: int) -> Search:
    """A fresh sampler and pruner, as the spec says, for trials of ``steps`` steps."""
    return make_search(
        space=space,
        objectives=plan.objectives,
        sampler=spec.sampler.name,
        sampler_options=spec.sampler.model_dump(exclude={"name"}),
        pruner=spec.pruner.name,
        pruner_options=spec.pruner.model_dump(exclude={"name"}),
        seed=spec.seed,
        repeats=spec.repeats,
        total_steps=steps,
        evaluate_every=plan.evaluate_every,
    )


def patience(spec: SweepSpec) -> Patience | None:
    """When a trial stops early, as the spec says."""
    return None if spec.patience is None else Patience(**spec.patience.model_dump())


def executor(prepared: Prepared, output: Path, key: str, warn: Callable[[str], None]) -> Executor:
    """Start the spec's executor; ``warn`` hears of what fails with its checkpoints (for their place see ``folder_of``).

    Raises ExecutorError where workers cannot be reached.
    """
    chosen = prepared.spec.executor
    return _EXECUTORS[chosen.name](prepared, chosen, (output.absolute(), key), warn)


def _inline(
    prepared: Prepared, chosen: options.Inline, place: CheckpointPlace, warn: Callable[[str], None]
) -> Executor:
    engine = _setup(prepared, chosen, place, workers=1).engine(prepared.workload, prepared.plan)
    return InlineExecutor(engine, warn)


def _setup(prepared: Prepared, chosen: options.Training, place: CheckpointPlace, workers: int) -> Setup:
    """How each of ``workers`` engines trains. A search learns from what has ended: it does not run all at once."""
    trials, (output, key) = prepared.spec.budget.trials, place
    return Setup(
        slots=None if chosen.slots == "auto" else chosen.slots,
        most=MOST if trials is None else max(FEWEST, min(MOST, trials // (GENERATIONS * workers))),
        precision=chosen.precision,
        compiles=chosen.compile,
        share_prefixes=chosen.share_prefixes,
        checkpoints=Checkpoints(every=chosen.checkpoint_every or math.inf, output=str(output), key=key),
    )


def _ray(prepared: Prepared, chosen: options.Ray, place: CheckpointPlace, warn: Callable[[str], None]) -> Executor:
    from tuner.execution.cluster import connect  # noqa: PLC0415 - Ray takes a second to import: not unless it is used
    from tuner.execution.ray import RayExecutor  # noqa: PLC0415

    workers = None if chosen.workers == "auto" else chosen.workers
    cluster = connect(chosen.address)
    try:
        return RayExecutor(
            prepared.workload,
            prepared.plan,
            cluster,
            setup=_setup(prepared, chosen, place, workers=workers or int(cluster.gpus or cluster.cpus)),
            workers=workers,
            gpus_per_worker=chosen.gpus_per_worker,
            step_timeout=chosen.step_timeout,
            warn=warn,
        )
    except BaseException:
        cluster.close()
        raise


def optuna_place(url: str, sweep: Sweep, space: Space) -> Place:
    """A sweep in Optuna's own tables, in the database at ``url``."""
    from tuner.search.mirror import OptunaMirror, check_storage  # noqa: PLC0415 - Optuna's tables are rarely wanted

    return Place("optuna", address(url), partial(OptunaMirror, url, sweep, space), partial(check_storage, url))


_EXECUTORS: Mapping[str, Callable[..., Executor]] = {"inline": _inline, "ray": _ray}


def recorded(sweep: Sweep) -> Prepared:
    """A recorded sweep's own spec, prepared again. Raises as ``prepare`` does, where its workload is gone, say."""
    return prepare(specs.from_data(sweep.spec))


def environment() -> dict[str, object]:
    """What a sweep ran on: versions and machine, for comparison when numbers differ later."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "command": without_passwords(" ".join(sys.argv)),
        **{name: importlib.metadata.version(name) for name in RECORDED_LIBRARIES},
    }
