"""Learning rate against the objective, a panel for each optimizer."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from tuner.analysis import text
from tuner.analysis.plots import style
from tuner.analysis.results import Configuration, Results
from tuner.trial import State

COLUMNS, NARROW = 4, 2
MOST_PANELS = 12
MOST_POINTS = 150  # a panel, and twice as many of the others behind it in grey


@style.styled
def rate_against_objective(results: Results, *, wide: bool = True) -> Figure | None:
    """Small panels on shared axes, so that ranges can be compared: one optimizer coloured, the others grey.

    A cross at the foot (or top) of a panel, on the worse side, is a configuration that diverged at that rate. With
    over twelve optimizers those with the best results are shown. ``wide`` is for a page, else it is for a phone.
    """
    rated = [p.configuration for p in results.ranking if _positive(p.configuration.learning_rate)]
    names = list(dict.fromkeys(configuration.optimizer for configuration in rated))[:MOST_PANELS]
    if not names:
        return None
    diverged = [c for c in results.configurations if c.state is State.DIVERGED and _positive(c.learning_rate)]
    rates = [_rate(c) for c in (*rated, *diverged) if c.optimizer in names]
    looks = style.looks(results)
    deep = math.ceil(len(names) / (COLUMNS if wide else NARROW))
    columns = math.ceil(len(names) / deep)
    figure = style.sheet(style.WIDTH if wide else style.HALF, 0.5 + 2.1 * deep)
    grid = figure.subplots(deep, columns, sharex=True, sharey=True, squeeze=False)
    background = style.thin(rated, 2 * MOST_POINTS)
    for axes, name in zip(grid.flat, names, strict=False):
        look = looks[name]
        _points(axes, results, [c for c in background if c.optimizer != name], style.Look(style.FAINT, "o"), 0.35)
        own = style.thin([c for c in rated if c.optimizer == name], MOST_POINTS)
        _points(axes, results, own, look, 0.75)
        axes.plot(_rate(own[0]), results.values[own[0].index], "o", markersize=9, fillstyle="none", color=style.INK)
        _crosses(axes, results, style.thin([c for c in diverged if c.optimizer == name], MOST_POINTS), look)
        axes.set_title(text.label(name, 22))
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes in grid.flat[max(0, len(names) - columns) : len(names)]:
        axes.tick_params(labelbottom=True)
    style.value_axis(grid[0, 0], list(results.values.values()), results.objective)
    style.log_axis(grid[0, 0], "x", (min(rates), max(rates)), ticks=4)
    figure.supylabel(grid[0, 0].get_ylabel(), fontsize=9, color=style.MUTED)
    grid[0, 0].set_ylabel("")
    figure.supxlabel("base learning rate", fontsize=9, color=style.MUTED)
    return figure


def _points(axes: Axes, results: Results, shown: list[Configuration], look: style.Look, alpha: float) -> None:
    rates = [_rate(configuration) for configuration in shown]
    values = [results.values[configuration.index] for configuration in shown]
    axes.plot(rates, values, look.marker, color=look.color, markersize=3.5, alpha=alpha, markeredgewidth=0)


def _crosses(axes: Axes, results: Results, diverged: list[Configuration], look: style.Look) -> None:
    """A row of crosses along the worse side of the axes."""
    side = 0.03 if results.objective.direction == "maximize" else 0.97
    rates = [_rate(configuration) for configuration in diverged]
    place = blended_transform_factory(axes.transData, axes.transAxes)
    axes.plot(rates, [side] * len(rates), "x", color=look.color, markersize=4, alpha=0.6, transform=place)


def _rate(configuration: Configuration) -> float:
    return configuration.learning_rate or math.nan


def _positive(rate: float | None) -> bool:
    return rate is not None and rate > 0
