"""One trial as a training script in plain PyTorch, for whoever takes it home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

import tuner.optim
import tuner.schedules
from tuner.analysis import text
from tuner.errors import TunerError
from tuner.hyper import AROUND, DRIVE, THEN, complete
from tuner.trial import Params, Sweep, TrialRecord, owned
from tuner.workloads import load, loss_arguments, model_arguments

_LINE = 80  # leaves room for the assignment around a call


def to_script(sweep: Sweep, record: TrialRecord, workload_ref: str) -> str:
    """A training script in plain PyTorch that does what the trial did: model, data and loss from ``workload_ref``.

    The optimizer is torch.optim's own where the rule has a counterpart there, else the rule as a torch optimizer.
    Initial values and data order come from torch's generator, so the result is alike, not the same bit for bit.
    Raises TunerError for a trial that did more than a plain loop does (``sam_rho``, ``then.optimizer``, ...), and what
    ``tuner.workloads.load`` raises for a workload that cannot be loaded.
    """
    params = record.spec.params
    _refuse_beyond_plain(params)
    optimizer, schedule = str(params["optimizer"]), str(params["schedule"])
    workload, rule = load(workload_ref), tuner.optim.get(optimizer)
    hypers = complete(optimizer, rule.hypers, owned(params, optimizer))
    equivalent, plateau = rule.torch_equivalent, _plateau(sweep, record)
    scripts = Environment(
        loader=PackageLoader("tuner.analysis"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Python, not HTML; every value goes through repr
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return scripts.get_template("script.py.jinja").render(
        origin=text.label(f"trial {record.spec.index} of sweep {sweep.id}", 90),
        results=", ".join(f"{text.label(metric)} {text.number(value)}" for metric, value in record.values.items()),
        steps=record.spec.total_steps,
        seed=params.get("seed", record.spec.seed),
        batch_size=params.get("batch_size", workload.hypers["batch_size"].default),
        full_batch=rule.full_batch,
        own_rule=equivalent is None,
        needs_closure=equivalent is not None and equivalent.optimizer == "LBFGS",
        clip_norm=params.get("clip_norm"),
        workload=_literal(workload_ref),
        model=_call("workload.model", [], model_arguments(workload, params)),
        loss=_call("workload.loss", ["model(x)", "y"], loss_arguments(workload, params)),
        optimizer=(
            _call("as_torch_optimizer", [_literal(optimizer), "model.parameters()"], hypers)
            if equivalent is None
            else _call(f"torch.optim.{equivalent.optimizer}", ["model.parameters()"], equivalent.keywords(hypers))
        ),
        scheduler=(
            _call("as_torch_scheduler", [_literal(schedule), "optimizer", "STEPS"], owned(params, schedule))
            if plateau is None
            else plateau.call
        ),
        plateau=plateau,
        evaluate_every=sweep.spec.get("evaluate_every") or max(1, record.spec.total_steps // 10),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plateau:
    """A schedule that follows a metric, in a script: torch's own where no warmup or cooldown stands around it."""

    metric: str
    call: str
    ends: str
    alone: bool


def _plateau(sweep: Sweep, record: TrialRecord) -> _Plateau | None:
    params = record.spec.params
    optimizer, schedule = str(params["optimizer"]), str(params["schedule"])
    shape = tuner.schedules.get(schedule)
    if shape.controller is None:
        return None
    h = complete(schedule, shape.hypers, owned(params, schedule))
    lr = complete(optimizer, tuner.optim.get(optimizer).hypers, owned(params, optimizer))["lr"]
    objective = sweep.objectives[0]
    keywords = {
        "mode": objective.direction[:3],
        "factor": h["gamma"],
        "patience": h["patience"],
        "threshold": h["threshold"],
        "threshold_mode": str(h["threshold_mode"])[:3],
        "cooldown": h["wait"],
        "min_lr": float(h["least"] or 0.0) * float(lr or 0.0),
        "eps": float(h["eps"] or 0.0) * float(lr or 0.0),
    }
    own = {name: h[name] for name in shape.own}
    ends = {name: value for name, value in h.items() if name not in shape.own}
    alone = not (h["warmup"] or h["cooldown"])
    torchs = _call("torch.optim.lr_scheduler.ReduceLROnPlateau", ["optimizer"], keywords)
    return _Plateau(
        metric=_literal(objective.metric),
        call=torchs if alone else _call("Plateau", [_literal(objective.direction)], own),
        ends=_call("dict", [], ends),
        alone=alone,
    )


def _refuse_beyond_plain(params: Params) -> None:
    """Raise TunerError where a trial did what a plain loop does not: the script must not pretend."""
    options = [n for n, hyper in AROUND.items() if n != "clip_norm" and params.get(n, hyper.default) != hyper.default]
    beyond = options + [name for name in params if name == f"{THEN}optimizer" or name.startswith(DRIVE)]
    if beyond:
        raise TunerError(
            f"export: a plain PyTorch script has no {', '.join(beyond)}, which this trial used; "
            "`--format yaml` keeps everything, and a spec with that space trains it again"
        )


def _call(function: str, arguments: Sequence[str], keywords: Mapping[str, object]) -> str:
    """A Python call, on one line where it fits."""
    listed = [*arguments, *(f"{name}={_literal(value)}" for name, value in keywords.items())]
    line = f"{function}({', '.join(listed)})"
    return line if len(line) <= _LINE else f"{function}(\n" + "".join(f"    {each},\n" for each in listed) + ")"


def _literal(value: object) -> str:
    """A Python literal, strings in the double quotes of the code around it where they hold none."""
    literal = repr(value)
    return f'"{literal[1:-1]}"' if literal.startswith("'") and '"' not in literal else literal
