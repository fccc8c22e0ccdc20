"""How much of the objective's variation each parameter explains."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from tuner.analysis import text
from tuner.analysis.plots import style

MOST_BARS = 12


@style.styled
def importance_bars(importances: Mapping[str, float]) -> Figure | None:
    """Bars of importances in [0, 1], largest first."""
    bars = sorted(importances.items(), key=lambda item: (-item[1], item[0]))[:MOST_BARS]
    if not bars:
        return None
    figure = style.sheet(style.HALF, 0.8 + 0.26 * max(len(bars), 4))
    axes = figure.subplots()
    shares = [share for _, share in bars]
    axes.barh(range(len(bars)), shares, height=0.62, color=style.BLUE, alpha=0.8)
    for row, share in enumerate(shares):
        axes.text(
            share + 0.015 * max(shares),
            row,
            "< 1%" if share < 0.01 else f"{share:.0%}",
            va="center",
            fontsize=8,
            color=style.MUTED,
        )
    style.category_axis(axes, "y", [text.label(name, 26) for name, _ in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 1.15 * max(shares) or 1)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    return figure
