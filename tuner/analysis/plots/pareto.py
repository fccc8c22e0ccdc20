"""Two objectives against each other."""

from __future__ import annotations

from matplotlib.figure import Figure

from tuner.analysis.plots import style
from tuner.analysis.results import Results

MOST_POINTS = 800


@style.styled
def pareto_front(results: Results) -> Figure | None:
    """The first two objectives of every ranked configuration; the Pareto front (over all objectives) stands out."""
    if len(results.sweep.objectives) < 2 or not results.ranking:
        return None
    across, up = results.sweep.objectives[:2]
    figure = style.sheet(style.WIDTH, 3.6)
    axes = figure.subplots()
    looks = style.looks(results)
    for place in style.thin(results.ranking, MOST_POINTS)[::-1]:
        x, y = (place.configuration.estimates[objective.metric].mean for objective in (across, up))
        look, front = looks[place.configuration.optimizer], place.rank == 1
        axes.plot(
            x,
            y,
            look.marker,
            color=look.color,
            markersize=6.5 if front else 3.5,
            alpha=0.95 if front else 0.4,
            markeredgecolor=style.INK if front else "none",
            markeredgewidth=0.9 if front else 0,
        )
    front_line = sorted(
        tuple(p.configuration.estimates[o.metric].mean for o in (across, up)) for p in results.ranking if p.rank == 1
    )
    axes.plot(*zip(*front_line, strict=True), color=style.INK, linewidth=0.9, alpha=0.6)
    for axis, objective in (("x", across), ("y", up)):
        means = [place.configuration.estimates[objective.metric].mean for place in results.ranking]
        style.value_axis(axes, means, objective, axis=axis)
    style.legend(figure, looks)
    return figure
