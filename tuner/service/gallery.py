"""The pictures of a sweep's page: the report's own plots, each an image of its own, so that no page has to hold styles.

An image knows nothing of the page around it, so it brings the colours of both, the light and the dark one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from matplotlib.figure import Figure

from tuner.analysis.plots import style
from tuner.analysis.plots.captions import caption
from tuner.analysis.plots.curves import leaders_rates, learning_curves
from tuner.analysis.plots.groups import outcomes_by
from tuner.analysis.plots.progress import best_so_far
from tuner.analysis.plots.rates import rate_against_objective
from tuner.analysis.results import Results
from tuner.ledger import SqlLedger
from tuner.trial import Sweep

Name = Literal["progress", "curves", "rates", "leaders", "optimizers"]
# Its styles are its own; shown by itself it is a document that may do nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
MOST = 200  # pictures that are kept; one has some 50 kB
_HALF = ("leaders", "optimizers")
_DRAWN: Mapping[Name, Callable[[Results, bool], Figure | None]] = {
    "progress": lambda results, wide: best_so_far(results, wide=wide),
    "curves": lambda results, wide: learning_curves(results, wide=wide),
    "rates": lambda results, wide: rate_against_objective(results, wide=wide),
    "leaders": lambda results, _: leaders_rates(results),
    "optimizers": lambda results, _: outcomes_by(results, "optimizer"),
}
_COLORS = """
:root { color: #1d2027; --muted: #5f6773; --faint: #b9bfc9; --grid: #e6e9ed; --page: #fff }
@media (prefers-color-scheme: dark) {
  :root { color: #e6e8ec; --muted: #98a0ad; --faint: #525967; --grid: #2a2e36; --page: #16191e }
}
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif !important }
"""
_NOTHING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 620 90" width="620" height="90">'
    '<text x="50%" y="50%" text-anchor="middle" font-size="13" fill="var(--muted)">nothing to draw yet</text></svg>'
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as a page has it; ``is_half`` where two fit beside each other."""

    name: Name
    title: str
    text: str
    is_half: bool


def captions(metric: str) -> list[Shown]:
    """The pictures of a sweep whose first objective is ``metric``, in the order of the page."""
    said = {name: caption(name, metric) for name in _DRAWN}
    return [Shown(name, one.title, one.text, name in _HALF) for name, one in said.items()]


class Gallery:
    """Pictures that were drawn, and how far into its sweep's history each one looks."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, Name, bool], tuple[int, str]] = OrderedDict()
        self._lock = threading.Lock()

    def picture(self, ledger: SqlLedger, sweep: Sweep, name: Name, at: int, *, wide: bool) -> str:
        """A picture, as SVG, of what was recorded up to the position ``at`` at least.

        Whatever was read for it is used for the others of its size: a page asks for all of them.
        """
        reached, drawn = self._find(sweep.id, name, wide)
        recorded = ledger.pages.position(sweep.id)
        if drawn and reached >= min(at, recorded):
            return drawn
        results = Results(sweep, ledger.trials(sweep.id))  # perhaps of a later position, which is drawn again then
        for each, draw in _DRAWN.items():
            self._keep((sweep.id, each, wide), recorded, _svg(draw(results, wide), each, results))
        return self._find(sweep.id, name, wide)[1]

    def _find(self, sweep: str, name: Name, wide: bool) -> tuple[int, str]:
        with self._lock:
            return self._kept.get((sweep, name, wide), (-1, ""))

    def _keep(self, key: tuple[str, Name, bool], position: int, drawn: str) -> None:
        with self._lock:
            self._kept[key] = position, drawn
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)


def _svg(figure: Figure | None, name: str, results: Results) -> str:
    title = caption(name, results.objective.metric).title
    drawn = _NOTHING if figure is None else style.svg(figure, name, title)
    start = drawn.index(">") + 1
    return f"{drawn[:start]}<style>{_COLORS}</style>{drawn[start:]}"
