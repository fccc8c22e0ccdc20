"""How each optimizer's (or schedule's) configurations fared: every one of them, and their quartiles."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tuner.analysis import text
from tuner.analysis.plots import style
from tuner.analysis.results import Results
from tuner.analysis.statistics import spread

MOST_POINTS = 200  # a row
MOST_ROWS = 16


@style.styled
def outcomes_by(results: Results, key: str) -> Figure | None:
    """A row for each value of the parameter ``key``, best median first: points, quartile box, median, best."""
    objective, looks = results.objective, style.looks(results)
    groups = {
        name: own
        for name, members in results.groups(key).items()
        if (own := sorted((c for c in members if c.index in results.values), key=lambda c: results.cost(c, objective)))
    }
    if not groups:
        return None
    spreads = {name: spread([results.values[c.index] for c in own]) for name, own in groups.items()}
    sign = 1 if objective.direction == "minimize" else -1
    names = sorted(groups, key=lambda name: sign * spreads[name].median)[:MOST_ROWS]
    figure = style.sheet(style.HALF, 0.9 + 0.42 * max(len(names), 3))
    axes = figure.subplots()
    scatter = np.random.default_rng(0)
    for row, name in enumerate(names):
        shown = style.thin(groups[name], MOST_POINTS)
        heights = row + scatter.uniform(-0.22, 0.22, len(shown))
        values = [results.values[c.index] for c in shown]
        color = looks[name].color if key == "optimizer" else style.MUTED
        axes.plot(values, heights, "o", color=color, markersize=3, alpha=0.45, markeredgewidth=0)
        box = spreads[name]
        axes.hlines(row, box.lower_quartile, box.upper_quartile, color=color, linewidth=9, alpha=0.3)
        axes.plot([box.median] * 2, [row - 0.27, row + 0.27], color=style.INK, linewidth=1.6)
        axes.plot(values[0], heights[0], "o", markersize=7, fillstyle="none", color=style.INK, markeredgewidth=1)
    style.value_axis(axes, [results.values[c.index] for own in groups.values() for c in own], objective, axis="x")
    style.category_axis(axes, "y", [f"{text.label(name, 18)} ({len(groups[name])})" for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    return figure
