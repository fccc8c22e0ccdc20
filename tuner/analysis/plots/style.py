"""One look for every plot: sizes, colours, axes, and the SVG that goes into a page.

Colours are Okabe and Ito's (2008), told apart with every common colour blindness; a ninth optimizer starts over with
another marker. Ink, muted and grid colours are written as CSS variables, so one SVG suits a light and a dark page.
"""

from __future__ import annotations

import html
import io
import math
import random
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)
from matplotlib.typing import LineStyleType, RcKeyType

from tuner.analysis import text
from tuner.analysis.results import Results
from tuner.trial import Objective

T = TypeVar("T")

WIDTH, HALF = 8.6, 4.25  # inches: the page's column, and two to a column
INK, MUTED, FAINT, GRID, PAGE = "#23262d", "#6b7280", "#c3c8d0", "#e4e7eb", "#fefefe"
BLUE, ACCENT = "#0072b2", "#d55e00"
_VARIABLES = {
    INK: "currentColor",
    MUTED: f"var(--muted, {MUTED})",
    FAINT: f"var(--faint, {FAINT})",
    GRID: f"var(--grid, {GRID})",
    PAGE: f"var(--page, {PAGE})",
}
HUES = (BLUE, ACCENT, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#b8ae00")
_MARKERS = ("o", "s", "^", "D", "v", "P")
STROKES: tuple[LineStyleType, ...] = ("-", (0, (5, 2)), (0, (2, 1)), (0, (6, 1, 1, 1)), (0, (1, 1)))

RC: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, and is wider than what a browser puts in its place
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # "$" in a user's text is a dollar
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": MUTED,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "none",
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's own font
    "svg.hashsalt": "tuner",
}
styled = mpl.rc_context(RC)  # wraps a function that draws


@dataclass(frozen=True, slots=True)
class Look:
    """How one optimizer is drawn in every plot of a page."""

    color: str
    marker: str


def looks(results: Results) -> dict[str, Look]:
    """A look for each optimizer of the sweep, by its place in the alphabet."""
    return {
        name: Look(HUES[i % len(HUES)], _MARKERS[i // len(HUES) % len(_MARKERS)])
        for i, name in enumerate(results.optimizers)
    }


def sheet(width: float, height: float) -> Figure:
    """An empty figure that lays itself out. Sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


@mpl.rc_context(RC)
def svg(figure: Figure, name: str, description: str) -> str:
    """The figure as one ``<svg>`` element to stand in a page: every id prefixed with ``name``, no metadata."""
    out = io.StringIO()
    with warnings.catch_warnings():
        # matplotlib measures text in its own font; the browser that draws it has a glyph for what that one lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawing = out.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    for pattern in (r'(\bid=")', r"(url\(#)", r'(xlink:href="#)'):
        drawing = re.sub(pattern, rf"\1{name}-", drawing)
    drawing = re.sub(r"(-?\d+\.\d\d)\d+(?=[ \n\"])", r"\1", drawing)  # a hundredth of a point is fine enough
    for color, variable in _VARIABLES.items():
        drawing = drawing.replace(color, variable)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{html.escape(description)}" ', 1)


def thin(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` items, best first as given: the first third kept, the rest drawn evenly at random."""
    if len(items) <= most:
        return list(items)
    kept = most // 3
    drawn = random.Random(0).sample(range(kept, len(items)), most - kept)  # noqa: S311 - not a secret
    return [*items[:kept], *(items[i] for i in sorted(drawn))]


def spans_decades(values: Sequence[float]) -> bool:
    """Whether values are best seen on a log axis: all positive, the largest over thirty times the smallest."""
    return bool(values) and min(values) > 0 and max(values) > 30 * min(values)


def value_axis(axes: Axes, values: Sequence[float], objective: Objective, *, axis: str = "y") -> None:
    """Scale an axis to an objective's values: log where they span decades, else cut off beyond the worst outliers.

    What lies outside is counted in the axis label, so that nobody takes the picture for the whole.
    """
    name = text.label(objective.metric)
    set_label: Callable[[str], object] = getattr(axes, f"set_{axis}label")
    if spans_decades(values):
        log_axis(axes, axis, (min(values), max(values)))
        set_label(name)
        return
    low, high = limits(values, objective)
    getattr(axes, f"set_{axis}lim")(low, high)
    getattr(axes, f"{axis}axis").set_major_locator(MaxNLocator(5))
    outside = sum(not low <= v <= high for v in values)
    set_label(f"{name} ({outside} off the scale)" if outside else name)


def limits(values: Sequence[float], objective: Objective) -> tuple[float, float]:
    """Axis limits around values, cut off on the worse side at two and a half quartile ranges beyond the quartile."""
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 2.5 * (upper - lower) or math.inf
    low, high = float(min(values)), float(max(values))
    if objective.direction == "maximize":
        low = max(low, float(lower - reach))
    else:
        high = min(high, float(upper + reach))
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def log_axis(axes: Axes, axis: str, extent: tuple[float, float], ticks: int = 7) -> None:
    """A log axis over ``extent`` with about so many ticks that a person reads: 0.001, 0.01, 0.1."""
    low, high = extent
    getattr(axes, f"set_{axis}scale")("log")
    getattr(axes, f"set_{axis}lim")(low / 1.25, high * 1.25)
    line = getattr(axes, f"{axis}axis")
    decades = math.log10(high / low)
    line.set_major_locator(LogLocator(subs=(1.0,) if decades > 1.5 else (1.0, 2.0, 5.0), numticks=ticks))
    line.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    line.set_minor_locator(NullLocator())
    line.set_minor_formatter(NullFormatter())


def count_axis(axes: Axes) -> None:
    """Whole numbers along x: 0, 500, 1k, 2M."""
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def category_axis(axes: Axes, axis: str, names: Sequence[str]) -> None:
    """An axis of names at 0, 1, 2, ..."""
    line = getattr(axes, f"{axis}axis")
    line.set_major_locator(FixedLocator(list(range(len(names)))))
    labels = dict(enumerate(map(text.label, names)))
    line.set_major_formatter(FuncFormatter(lambda v, _: labels.get(round(v), "")))


def legend(figure: Figure, entries: Mapping[str, Look]) -> None:
    """The optimizers' looks in rows above the axes, where they cover nothing."""
    handles = [
        Line2D([], [], linestyle="", marker=look.marker, color=look.color, markersize=5, label=text.label(name, 20))
        for name, look in entries.items()
    ]
    columns = 6 if figure.get_figwidth() > HALF else 3
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), columns), handletextpad=0.2)
