"""Learning curves, and the learning rates that the leaders followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

import tuner.schedules
from tuner.analysis import text
from tuner.analysis.plots import style
from tuner.analysis.results import Configuration, Results
from tuner.trial import Point, owned

LEADERS = 5
MOST_CURVES = 250
MOST_POINTS = 60
SCHEDULE_POINTS = 200


@style.styled
def learning_curves(results: Results, *, wide: bool = True) -> Figure | None:
    """The first objective's metric over training steps: leaders in colour, the others grey, pruned ones shorter.

    The axis is made for what comes after the first quarter, so that the start does not flatten the finish. ``wide`` is
    for a page, else it is for a phone.
    """
    metric = results.objective.metric
    leaders = _leaders(results)
    leading = {configuration.index for configuration in leaders}
    grey = [trial for c in results.configurations if c.index not in leading for trial in c.trials]
    lines = [line for trial in style.thin(grey, MOST_CURVES) if len(line := _line(trial.curve, metric)) > 1]
    coloured = [(c, line) for c in leaders for t in c.trials if len(line := _line(t.curve, metric)) > 1]
    if not lines and not coloured:
        return None
    figure = style.sheet(style.WIDTH if wide else style.HALF, 3.4)
    axes = figure.subplots()
    axes.add_collection(LineCollection(lines, colors=style.FAINT, linewidths=0.7, alpha=0.5))
    strokes = _strokes(results, leaders)
    for configuration, line in coloured:
        color, dash = strokes[configuration.index]
        axes.plot(*np.array(line).T, color=color, linestyle=dash, linewidth=1.7)
    everything = [*lines, *(line for _, line in coloured)]
    end = max(line[-1][0] for line in everything)
    late = [y for line in everything for step, y in line if step > end / 4]
    axes.set_xlim(0, 1.01 * end)
    style.value_axis(axes, late, results.objective)
    axes.set_ylabel(text.label(metric))
    style.count_axis(axes)
    axes.set_xlabel("training step")
    _legend(figure, results, leaders, grey=bool(lines))
    return figure


@style.styled
def leaders_rates(results: Results) -> Figure | None:
    """The learning rate of the leaders at every step, as ``rate_over_steps`` tells it."""
    leaders = [c for c in _leaders(results) if c.learning_rate]
    if not leaders:
        return None
    figure = style.sheet(style.HALF, 3.2)
    axes = figure.subplots()
    rates: list[float] = []
    for configuration in leaders:
        steps, line = rate_over_steps(configuration, configuration.trials[0].spec.total_steps)
        rates += line
        color, dash = _strokes(results, leaders)[configuration.index]
        axes.plot(steps, line, color=color, linestyle=dash, linewidth=1.7)
    positive = [rate for rate in rates if rate > 0]
    if style.spans_decades(positive):
        style.log_axis(axes, "y", (max(min(positive), max(positive) * 1e-4), max(positive)))
    else:
        axes.set_ylim(0, 1.06 * max(positive, default=1.0))
    style.count_axis(axes)
    axes.set_xlabel("training step")
    axes.set_ylabel("learning rate")
    _legend(figure, results, leaders, grey=False)
    return figure


def rate_over_steps(configuration: Configuration, total_steps: int) -> tuple[list[float], list[float]]:
    """Steps and the learning rate at each, at most two hundred of them.

    It is the schedule's factor times the base rate; where that depends on more than a registered schedule, it is what
    the first trial reported.
    """
    shapes, name = tuner.schedules.registry, configuration.schedule
    if name not in shapes or shapes[name].controller:
        points = _line(configuration.trials[0].curve, "lr")
        return [step - 1.0 for step, _ in points], [rate for _, rate in points]
    steps = torch.linspace(0, total_steps - 1, min(total_steps, SCHEDULE_POINTS), dtype=torch.float64).round()
    factors = shapes[name](steps, total_steps, **owned(configuration.params, name))
    return steps.tolist(), ((configuration.learning_rate or 0.0) * factors).tolist()


def _leaders(results: Results) -> list[Configuration]:
    return [place.configuration for place in results.ranking[:LEADERS]]


def _strokes(results: Results, leaders: Iterable[Configuration]) -> dict[int, tuple[str, LineStyleType]]:
    """Colour by optimizer, and a stroke that tells leaders of the same optimizer apart, by configuration index."""
    looks, used = style.looks(results), Counter[str]()
    strokes: dict[int, tuple[str, LineStyleType]] = {}
    for leader in leaders:
        strokes[leader.index] = (looks[leader.optimizer].color, style.STROKES[used[leader.optimizer]])
        used[leader.optimizer] += 1
    return strokes


def _legend(figure: Figure, results: Results, leaders: Sequence[Configuration], *, grey: bool) -> None:
    strokes = _strokes(results, leaders)
    handles = []
    for place, leader in enumerate(leaders, 1):
        color, dash = strokes[leader.index]
        name = f"{place}. {text.label(f'{leader.optimizer}, {leader.schedule}', 26)}"
        handles.append(Line2D([], [], color=color, linestyle=dash, linewidth=1.7, label=name))
    if grey:
        handles.append(Line2D([], [], color=style.FAINT, label="the others"))
    wide = figure.get_figwidth() > style.HALF
    figure.legend(handles=handles, loc="outside upper left", ncols=3 if wide else 2, handlelength=2.6)


def _line(curve: Sequence[Point], metric: str) -> list[tuple[int, float]]:
    points = [(point.step, point.metrics[metric]) for point in curve if metric in point.metrics]
    return points[:: -(-len(points) // MOST_POINTS)] + points[-1:] if len(points) > MOST_POINTS else points
