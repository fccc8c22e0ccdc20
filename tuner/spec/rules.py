"""What must hold between the parts of a spec, beyond what each part says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from tuner.space.problems import Path, brief
from tuner.spec.models import SweepSpec
from tuner.spec.options import CmaEs, Grid, NoPruner, Patient, Wilcoxon

Breach = tuple[Path, str]


def breaches(spec: SweepSpec) -> Iterator[Breach]:
    """Every rule that ``spec`` breaks: where, and what was expected."""
    yield from _budget(spec)
    yield from _repeats(spec)
    yield from _objectives(spec)


def _budget(spec: SweepSpec) -> Iterator[Breach]:
    budget = spec.budget
    if budget.trials is None and budget.wall_time is None and not (budget.steps and isinstance(spec.sampler, Grid)):
        yield ("budget",), "expected trials or wall_time, got neither; only sampler grid, with steps, ends by itself"
    if spec.evaluate_every and budget.steps and spec.evaluate_every > budget.steps:
        yield ("evaluate_every",), f"expected at most budget.steps ({budget.steps}), got {spec.evaluate_every}"


def _repeats(spec: SweepSpec) -> Iterator[Breach]:
    trials, repeats = spec.budget.trials, spec.repeats
    if trials is not None and trials % repeats:
        near = max(trials - trials % repeats, repeats)
        yield (
            ("budget", "trials"),
            f"expected a multiple of repeats ({repeats}), got {trials}; a trial is one training run, so write {near}",
        )
    judge = spec.pruner.wrapped if isinstance(spec.pruner, Patient) else spec.pruner
    if isinstance(judge, Wilcoxon) and repeats < 2:
        yield ("pruner",), f"expected repeats >= 2 with wilcoxon, which compares repeats, got repeats {repeats}"


def _objectives(spec: SweepSpec) -> Iterator[Breach]:
    metrics = [objective.metric for objective in spec.objective]
    for n, metric in enumerate(metrics):
        if metric in metrics[:n]:
            yield ("objective", n), f"expected different metrics, got {brief(metric)} twice"
    if len(metrics) == 1:
        return
    if not isinstance(spec.pruner, NoPruner):
        yield (
            ("pruner",),
            f"expected none with several objectives, got {spec.pruner.name}; use patience, or one objective",
        )
    if isinstance(spec.sampler, CmaEs):
        yield ("sampler",), "expected a sampler for several objectives, got cmaes; use nsga2, tpe, gp, qmc or random"
