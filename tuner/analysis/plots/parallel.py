"""Parallel coordinates: every configuration is a line through its parameters to its objective."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from tuner.analysis import text
from tuner.analysis.leaderboard import short_names
from tuner.analysis.plots import style
from tuner.analysis.results import Configuration, Results
from tuner.trial import Value

MOST_AXES = 8
MOST_LINES = 300
MOST_TICKS = 12
LEADERS = 5
COLORS = LinearSegmentedColormap.from_list("rank", ["#d9dde3", "#8cc4ea", style.BLUE])  # the last to the best
ABSENT = -0.12  # where a configuration without the parameter crosses its axis


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One axis: where a value stands on it, in [0, 1], and its ticks as (place, label)."""

    name: str
    place: Callable[[Value], float]
    ticks: Sequence[tuple[float, str]]


@style.styled
def parallel_coordinates(results: Results) -> Figure | None:
    """Axes are the parameters most configurations have (``adamw.lr`` and ``sgd.lr`` share the axis ``lr``).

    Log axes where values span decades. Configurations without the parameter pass below the axis. The bluer a line the
    better its rank, the five best are orange; the last axis is the objective.
    """
    configurations = [place.configuration for place in results.ranking]
    rows = [_row(c, results) for c in configurations]
    names = _axes(rows)
    if len(configurations) < 2 or not names:
        return None
    objective = text.label(results.objective.metric, 18)
    values: list[Value] = list(results.values.values())
    coordinates = [_coordinate(name, [row[name] for row in rows if name in row]) for name in names]
    coordinates.append(_coordinate(objective, values))
    figure = style.sheet(style.WIDTH, 3.7)
    axes = figure.subplots()
    for position, coordinate in enumerate(coordinates):
        axes.vlines(position, 0, 1, color=style.FAINT, linewidth=0.8)
        for place, name in coordinate.ticks:
            _tick(axes, position, place, name)
        if any(coordinate.name not in row for row in rows) and position < len(names):
            _tick(axes, position, ABSENT, "not used")
    lines = [
        [(i, c.place(row[c.name]) if c.name in row else ABSENT) for i, c in enumerate(coordinates[:-1])]
        + [(len(names), coordinates[-1].place(value))]
        for row, value in zip(rows, values, strict=True)
    ]
    shown = style.thin(list(enumerate(lines)), MOST_LINES)[::-1]
    colors = [style.ACCENT if place < LEADERS else COLORS(1 - place / len(lines)) for place, _ in shown]
    widths = [1.9 if place < LEADERS else 0.8 for place, _ in shown]
    alphas = [0.95 if place < LEADERS else 0.5 for place, _ in shown]
    axes.add_collection(LineCollection([line for _, line in shown], colors=colors, linewidths=widths, alpha=alphas))
    style.category_axis(axes, "x", [coordinate.name for coordinate in coordinates])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8.5)
    axes.yaxis.set_visible(False)
    axes.set_xlim(-0.15, len(names) + 0.45)
    axes.set_ylim(ABSENT - 0.05, 1.05)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _tick(axes: Axes, position: int, place: float, name: str) -> None:
    axes.plot([position - 0.02, position + 0.02], [place, place], color=style.FAINT, linewidth=0.8)
    page = {"facecolor": style.PAGE, "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    axes.text(position + 0.05, place, name, fontsize=7, color=style.MUTED, va="center", zorder=5, bbox=page)


def _row(configuration: Configuration, results: Results) -> dict[str, Value]:
    searched = [name for name in configuration.params if name in results.searched]
    short = short_names(searched, configuration.optimizer, configuration.schedule)
    return {text.label(short[name], 18): configuration.params[name] for name in searched}


def _axes(rows: Sequence[dict[str, Value]]) -> list[str]:
    """The optimizer, the schedule, then what most configurations have; only what takes more than one value."""
    uses = Counter(name for row in rows for name in row)
    varied = [name for name in uses if len({row[name] for row in rows if name in row}) > 1]
    first = [name for name in ("optimizer", "schedule", "lr") if name in varied]
    rest = sorted((name for name in varied if name not in first), key=lambda name: -uses[name])
    return [*first, *(name for name in rest if uses[name] >= 0.15 * len(rows))][:MOST_AXES]


def _coordinate(name: str, values: Sequence[Value]) -> Coordinate:
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values) or len(set(numbers)) <= 4:
        return _categories(name, values)
    low, high = min(numbers), max(numbers)
    decades = style.spans_decades(numbers)
    scale: Callable[[float], float] = math.log if decades else float
    start, extent = scale(low), scale(high) - scale(low)
    marks = LogLocator(numticks=6).tick_values(low, high) if decades else MaxNLocator(5).tick_values(low, high)

    def place(value: Value) -> float:
        return (scale(float(value)) - start) / extent if isinstance(value, int | float) else ABSENT

    return Coordinate(name, place, [(place(float(mark)), f"{mark:g}") for mark in marks if low <= mark <= high])


def _categories(name: str, values: Sequence[Value]) -> Coordinate:
    named = sorted(set(values), key=lambda v: (isinstance(v, str), v if isinstance(v, int | float) else -1, str(v)))
    places = {v: 0.04 + 0.92 * i / max(1, len(named) - 1) for i, v in enumerate(named)}
    every = -(-len(named) // MOST_TICKS)
    return Coordinate(name, places.__getitem__, [(places[v], text.label(text.value(v), 14)) for v in named[::every]])
