"""The report of a sweep: one HTML page that carries its own style and pictures and asks nothing of the network."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from tuner.analysis import text
from tuner.analysis.findings import AtEdge, find, leader_verdicts
from tuner.analysis.leaderboard import rows, trial_range
from tuner.analysis.plots import style
from tuner.analysis.plots.captions import caption
from tuner.analysis.plots.curves import leaders_rates, learning_curves
from tuner.analysis.plots.groups import outcomes_by
from tuner.analysis.plots.importance import importance_bars
from tuner.analysis.plots.parallel import parallel_coordinates
from tuner.analysis.plots.pareto import pareto_front
from tuner.analysis.plots.progress import best_so_far
from tuner.analysis.plots.rates import rate_against_objective
from tuner.analysis.results import Results
from tuner.analysis.rungs import rungs
from tuner.analysis.summary import summaries
from tuner.trial import State, Sweep, TrialRecord

TOP = 15
NOTES = 5


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture of the page: its anchor, title, what to see in it, its drawing, and whether it fills half a row."""

    name: str
    title: str
    caption: str
    svg: Markup
    half: bool


def render(
    sweep: Sweep,
    records: Sequence[TrialRecord],
    *,
    importances: Mapping[str, float],
    edge: AtEdge,
    generated_at: float,
) -> str:
    """The page. ``importances`` maps parameters to shares in [0, 1] (may be empty), ``edge`` tells whether a value lies
    at an end of its searched range, ``generated_at`` is UTC seconds.
    """
    results = Results(sweep, records)
    page = Environment(
        loader=PackageLoader("tuner.analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters.update(
        number=text.number,
        value=text.value,
        plus_minus=text.plus_minus,
        duration=text.duration,
        trial_range=trial_range,
        moment=_moment,
    )
    return page.get_template("report.html").render(
        sweep=sweep,
        objectives=sweep.objectives,
        results=results,
        findings=find(results, edge),
        verdicts={verdict.rival: verdict for verdict in leader_verdicts(results)},
        rows=rows(results, TOP),
        rungs=rungs(records),
        groups=[(key, summaries(results, key)) for key in ("optimizer", "schedule") if key in results.searched],
        plots=list(_plots(results, importances)),
        states=[(state, results.count(state)) for state in State if results.count(state)],
        failures=[r for r in results.records if r.state is State.FAILED][:NOTES],
        steps=sum(record.step for record in records),
        environment={name: _plain(value) for name, value in sweep.environment.items()},
        generated_at=generated_at,
    )


def write(path: Path, html: str) -> None:
    """Put the page at ``path`` whole or not at all: written beside it, flushed to disk, then renamed."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(html)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)  # mkstemp's file is its owner's alone; a report is for others to read
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _plots(results: Results, importances: Mapping[str, float]) -> Iterator[Plot]:
    drawings: dict[str, Figure | None] = {
        "pareto": pareto_front(results),
        "progress": best_so_far(results),
        "rates": rate_against_objective(results),
        "optimizers": outcomes_by(results, "optimizer"),
        "schedules": outcomes_by(results, "schedule"),
        "curves": learning_curves(results),
        "leaders": leaders_rates(results),
        "importances": importance_bars(importances),
        "parallel": parallel_coordinates(results),
    }
    for name, figure in drawings.items():
        if figure is not None:
            said = caption(name, results.objective.metric)
            drawing = Markup(style.svg(figure, name, said.title))  # noqa: S704 - matplotlib escapes the text it draws
            yield Plot(name, said.title, said.text, drawing, half=figure.get_figwidth() <= style.HALF)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
