"""Best so far over trials and over compute."""

from __future__ import annotations

from matplotlib.figure import Figure

from tuner.analysis.plots import style
from tuner.analysis.progress import progress
from tuner.analysis.results import Results

MOST_POINTS = 700


@style.styled
def best_so_far(results: Results, *, wide: bool = True) -> Figure | None:
    """Two panels: the best mean so far after every ended trial, and after every training step spent.

    ``wide`` is for a page, where they are side by side; else it is for a phone, one above the other.
    """
    if not results.values:
        return None
    rows = progress(results)
    row_of = {trial: row for row, trial in enumerate(rows.trials)}
    shown = style.thin([place.configuration for place in results.ranking], MOST_POINTS)
    figure = style.sheet(style.WIDTH, 3.1) if wide else style.sheet(style.HALF, 5.4)
    left, right = figure.subplots(*((1, 2) if wide else (2, 1)), sharey=True)
    for axes, x, name in (
        (left, range(1, len(rows.trials) + 1), "trials ended"),
        (right, rows.steps, "training steps spent"),
    ):
        for optimizer, look in style.looks(results).items():
            own = [c for c in shown if c.optimizer == optimizer]
            ends = [x[max(row_of[trial.spec.index] for trial in c.trials)] for c in own]
            values = [results.values[c.index] for c in own]
            axes.plot(ends, values, look.marker, color=look.color, markersize=3.2, alpha=0.45, markeredgewidth=0)
        axes.plot(x, rows.best, drawstyle="steps-post", color=style.INK, linewidth=1.6)
        axes.set_xlabel(name)
        style.count_axis(axes)
    style.value_axis(left, list(results.values.values()), results.objective)
    style.legend(figure, style.looks(results))
    return figure
