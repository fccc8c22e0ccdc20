"""What a spec means for its workload: the objectives with their directions, and the search space."""

from __future__ import annotations

from collections.abc import Mapping

from tuner import space
from tuner.errors import UnknownNameError
from tuner.hyper import Hyper
from tuner.space import Problems, Space
from tuner.spec.models import SweepSpec
from tuner.spec.registries import optimizers, schedules
from tuner.trial import Direction, Objective


def objectives(spec: SweepSpec, metrics: Mapping[str, Direction]) -> tuple[Objective, ...]:
    """The spec's objectives, each in its own direction or in that of ``metrics``, the workload's.

    Raises SpecError for a metric that the workload does not have.
    """
    problems = Problems()
    for n, one in enumerate(spec.objective):
        if one.metric not in metrics:
            problems.add(("objective", n, "metric"), str(UnknownNameError("metric", one.metric, metrics)))
    problems.raise_any(spec.source)
    return tuple(
        Objective(metric=one.metric, direction=one.direction or metrics[one.metric], at=one.at)
        for one in spec.objective
    )


def search_space(spec: SweepSpec, workload: Mapping[str, Hyper]) -> Space:
    """The spec's space, with the hyperparameters that its workload declares.

    Raises SpecError listing every parameter that is unknown or leaves its domain.
    """
    problems = Problems()
    draft = space.read(spec.space, space.draft_of, problems, ("space",))
    built = space.build(
        draft,
        optimizers=optimizers(),
        schedules=schedules(),
        workload=workload,
        problems=problems,
        at=("space",),
    )
    problems.raise_any(spec.source)
    return built
