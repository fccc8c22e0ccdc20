"""The pruners by name. To add one, write one function: from the course of a trial and its options to a Judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from optuna import Study, pruners
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial

from tuner.errors import UsageError
from tuner.registry import Registry
from tuner.search.configuration import Configuration
from tuner.search.ladder import Ladder, evaluated, multiples, shares
from tuner.search.making import accepting, make
from tuner.search.remembering import Hyperband, Percentile, SuccessiveHalving
from tuner.trial import Event, Finished, Objective, Reported, State

Points = Iterable[tuple[int, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How long a trial is, and how often it is evaluated, both in steps."""

    total_steps: int
    evaluate_every: int


@dataclass(frozen=True, slots=True)
class Judge:
    """A pruner and what it is shown: the points (step, value) that an event adds to what is known of a configuration.

    A point is shown once: an attempt that starts again reports its first steps again, and they say nothing new.
    ``ladder`` says where trials pause. ``note`` is what a person should know of how the options were understood.
    """

    pruner: pruners.BasePruner
    points: Callable[[Configuration, Objective, int, Event], Points]
    ladder: Ladder = field(default_factory=lambda: Ladder((), 2))
    note: str = ""

    @property
    def judges(self) -> bool:
        """Whether it can keep a trial from its end."""
        return self.points is not nothing or bool(self.ladder.steps)


def nothing(configuration: Configuration, objective: Objective, repeat: int, event: Event) -> Points:  # noqa: ARG001
    """For a pruner that looks at nothing."""
    return ()


def learning_curve(configuration: Configuration, objective: Objective, repeat: int, event: Event) -> Points:
    """The mean over the repeats at a step, as soon as every repeat has come to it."""
    match event:
        case Reported(step=step, metrics=metrics) if objective.metric in metrics:
            values = configuration.curve.setdefault(step, {})
            if repeat not in values:
                values[repeat] = metrics[objective.metric]
                if len(values) == configuration.repeats:
                    return ((step, fmean(values.values())),)
    return ()


def finished_repeats(configuration: Configuration, objective: Objective, repeat: int, event: Event) -> Points:
    """A completed repeat's value, with the repeat for a step."""
    match event:
        case Finished(outcome=State.COMPLETED, values=values) if (
            repeat not in configuration.outcomes and objective.metric in values
        ):
            return ((repeat, values[objective.metric]),)
    return ()


PRUNERS: Registry[Callable[..., Judge]] = Registry("pruner")


@PRUNERS.register("none")
def none(course: Course) -> Judge:  # noqa: ARG001 - every pruner is made the same way
    """Never prunes."""
    return Judge(pruners.NopPruner(), nothing)


@PRUNERS.register("median")
def median(course: Course, *, startup_trials: int = 5, warmup_steps: int = 0) -> Judge:
    """Prunes what is worse at its best than half of the completed configurations were at the same step."""
    return percentile(course, percentile=50.0, startup_trials=startup_trials, warmup_steps=warmup_steps)


@PRUNERS.register("percentile")
def percentile(
    course: Course,  # noqa: ARG001
    *,
    percentile: float = 25.0,
    startup_trials: int = 5,
    warmup_steps: int = 0,
) -> Judge:
    """Keeps what is at its best among the best ``percentile`` % of the completed configurations at the same step."""
    return Judge(Percentile(percentile, startup_trials, warmup_steps), learning_curve)


@PRUNERS.register("successive-halving")
def successive_halving(
    course: Course, *, min_steps: int | Literal["auto"] = "auto", factor: int = 4, early_rate: int = 0
) -> Judge:
    """ASHA (Li et al., 2020): the best 1 / ``factor`` of those that reach a rung go on to the next."""
    first = _first_rung("successive-halving", min_steps, course.total_steps)
    return Judge(SuccessiveHalving(first, factor, early_rate), learning_curve)


@PRUNERS.register("asha")
def asha(
    course: Course, *, eta: int = 3, min_steps: int | Literal["auto"] = "auto", rungs: Sequence[int] | None = None
) -> Judge:
    """ASHA (Li et al., 2020) as published: trials pause at rungs, and the best 1 / ``eta`` of a rung go on.

    Rungs lie at ``min_steps``, eta min_steps, eta^2 min_steps, ...; by itself the last one at 1 / eta of a trial, and
    the first not below a hundredth of it. ``rungs`` gives their steps instead.
    """
    total = course.total_steps
    if rungs is not None:
        if min_steps != "auto":
            raise UsageError(f"asha: expected min_steps or rungs, got both; leave out min_steps: {min_steps}")
        wanted = [_within("asha.rungs", step, total) for step in rungs]
        if not wanted or wanted != sorted(set(wanted)):
            raise UsageError(f"asha.rungs: expected steps in ascending order, got {list(rungs)}")
    elif min_steps == "auto":
        wanted = shares(total, eta, least=max(course.evaluate_every, total / 100))
    else:
        wanted = multiples(_first_rung("asha", min_steps, total), eta, total)
    steps = evaluated(wanted, course.evaluate_every, total)
    if not steps:
        raise UsageError(
            f"asha: no rung lies at an evaluation before the last of the {total} steps of a trial, which is evaluated "
            f"every {course.evaluate_every} steps; evaluate more often (evaluate_every), or use pruner none"
        )
    is_asked_for = rungs is not None or min_steps != "auto"
    note = f"pruner asha: trials pause where they are evaluated: after {', '.join(map(str, steps))} of {total} steps"
    return Judge(pruners.NopPruner(), nothing, Ladder(steps, eta), note if is_asked_for and steps != wanted else "")


@PRUNERS.register("hyperband")
def hyperband(course: Course, *, min_steps: int | Literal["auto"] = "auto", factor: int = 3) -> Judge:
    """Hyperband (Li et al., 2018): successive halving from several first rungs."""
    first = _first_rung("hyperband", min_steps, course.total_steps)
    return Judge(Hyperband(first, course.total_steps, factor), learning_curve)


@PRUNERS.register("patient")
def patient(
    course: Course,
    *,
    wrapped: Mapping[str, Any] = {"name": "median"},
    evaluations: int = 3,
    min_delta: float = 0.0,
) -> Judge:
    """Lets another pruner (``name`` and its options) judge only what has not improved for ``evaluations``."""
    options = dict(wrapped)
    judge = make(PRUNERS, options.pop("name"), options, course)
    if judge.points is not learning_curve:
        raise UsageError(
            f"patient.wrapped: expected a pruner of learning curves, got {wrapped['name']!r}; try 'median'"
        )
    with accepting(ExperimentalWarning):
        return Judge(pruners.PatientPruner(judge.pruner, evaluations, min_delta), learning_curve)


@PRUNERS.register("wilcoxon")
def wilcoxon(course: Course, *, p: float = 0.1, startup_trials: int = 2) -> Judge:  # noqa: ARG001
    """Stops the repeats of what a signed-rank test over finished repeats holds to be worse than the best."""
    with accepting(ExperimentalWarning):
        return Judge(_Wilcoxon(p_threshold=p, n_startup_steps=startup_trials), finished_repeats)


class _Wilcoxon(pruners.WilcoxonPruner):
    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        # The best configuration may lack a repeat that failed; the pairs that there are, are compared.
        with accepting(UserWarning, "WilcoxonPruner finds steps"):
            return super().prune(study, trial)


def _first_rung(pruner: str, min_steps: int | Literal["auto"], total_steps: int) -> int:
    """By itself a hundredth of the steps: Optuna's own choice, without waiting for a trial to complete."""
    return _within(f"{pruner}.min_steps", max(1, total_steps // 100) if min_steps == "auto" else min_steps, total_steps)


def _within(option: str, steps: int, total_steps: int) -> int:
    if steps > total_steps:
        raise UsageError(f"{option}: expected at most the {total_steps} steps of a trial, got {steps}")
    return steps
