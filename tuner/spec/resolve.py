"""What a spec means for its workload: the objectives with their directions, and the search space."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuner import space
from tuner.errors import UnknownNameError
from tuner.hyper import Hyper
from tuner.schedules import is_own
from tuner.space import Problems, Space
from tuner.space.problems import Path, brief
from tuner.spec.models import SweepSpec
from tuner.spec.registries import check_drives, named, optimizers, own_schedules, schedules, with_schedules
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


def with_references(spec: SweepSpec, rename: Callable[[str], str]) -> SweepSpec:
    """The spec with the names of its workload and its schedules, references to files among them, as ``rename`` says."""
    draft = with_schedules(space.read(spec.space, space.draft_of, Problems()), rename)
    update = {"workload": rename(spec.workload), "space": draft.form()}
    return spec.model_copy(update=update).read_from(spec.source)


def own_code(spec: SweepSpec) -> list[tuple[Path, str]]:
    """What the spec names in its user's own files and modules, each with its place; nothing of it is loaded."""
    found: list[tuple[Path, str]] = [(("workload",), spec.workload)] if is_own(spec.workload) else []
    draft = space.read(spec.space, space.draft_of, Problems())
    return found + [(place, ref) for place, ref in named(draft, ("space",)) if is_own(ref)]


def refuse_own(spec: SweepSpec, remedy: str) -> None:
    """Raise SpecError where the spec names code of its user's own; ``remedy`` says where it could."""
    problems = Problems()
    for place, ref in own_code(spec):
        problems.add(place, f"expected a registered name, got {brief(ref)}; {remedy}")
    problems.raise_any(spec.source)


def search_space(spec: SweepSpec, workload: Mapping[str, Hyper]) -> Space:
    """The spec's space, with the hyperparameters that its workload declares and the schedules in users' own code.

    Those are loaded, and stay what they are now for as long as the process lives. Raises SpecError listing every
    parameter that is unknown or leaves its domain, and every schedule that cannot be loaded or does not keep to its
    contract.
    """
    problems = Problems()
    draft = space.read(spec.space, space.draft_of, problems, ("space",))
    check_drives(draft, problems, ("space",))
    own = own_schedules(draft, spec.budget.steps, problems, ("space",))
    built = space.build(
        with_schedules(draft, lambda ref: ref if ref in own or not is_own(ref) else None),
        optimizers=optimizers(),
        schedules={**schedules(), **own},
        workload=workload,
        problems=problems,
        at=("space",),
    )
    problems.raise_any(spec.source)
    return built
