r"""Cut the rate when a metric has stopped improving: a controller with state, not a function of the step.

After each observation, with the best value so far, b bad observations in a row (none better than the best by the
threshold) and w observations still to wait after the last cut:

.. math:: b > patience \;\Rightarrow\; factor \leftarrow \max(gamma \cdot factor, least), \quad b \leftarrow 0, \quad
    w \leftarrow wait

The semantics are those of torch's ReduceLROnPlateau, of factors on the base rate in place of rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tuner.errors import HyperError, UsageError
from tuner.hyper import Hyper, complete
from tuner.trial import Value

HYPERS: Mapping[str, Hyper] = {
    "direction": Hyper(default="minimize", choices=("minimize", "maximize"), doc="which way the metric is better"),
    "gamma": Hyper(default=0.1, low=0, low_open=True, high=1, high_open=True, doc="factor of each cut"),
    "patience": Hyper(default=10, low=0, integer=True, doc="bad observations in a row that are borne"),
    "threshold": Hyper(default=1e-4, low=0, doc="how much better than the best an observation must be to count"),
    "threshold_mode": Hyper(
        default="relative", choices=("relative", "absolute"), doc="whether that is a share of the best"
    ),
    "wait": Hyper(default=0, low=0, integer=True, doc="observations after a cut during which none counts as bad"),
    "least": Hyper(default=0.0, low=0, high=1, doc="factor below which no cut goes"),
    "eps": Hyper(default=1e-8, low=0, doc="a cut of the factor by no more than this is not made"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateauState:
    """All that a plateau remembers."""

    best: float
    factor: float = 1.0
    bad: int = 0
    waiting: int = 0


class Plateau:
    """A controller of one run. ``hypers`` are those of ``HYPERS``; raises UsageError and HyperError for wrong ones.

    >>> plateau = Plateau(patience=1, gamma=0.5)
    >>> [plateau.observe(loss) for loss in (1.0, 0.9, 0.9, 0.9, 0.8)]
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    def __init__(self, **hypers: Value) -> None:
        self.hypers = complete("plateau", HYPERS, hypers)
        if self.hypers["threshold_mode"] == "relative" and self._number("threshold") >= 1:
            remedy = "take a smaller share of the best, or threshold_mode='absolute'"
            raise HyperError("plateau.threshold", "in [0, 1)", self.hypers["threshold"], remedy)
        self._state = PlateauState(best=-self._sign * math.inf)

    @property
    def factor(self) -> float:
        """What the base rate is to be multiplied with now."""
        return self._state.factor

    def observe(self, metric: float) -> float:
        """Take in one value (NaN is never better) and give the factor from now on."""
        now = self._state
        better = self._better(metric)
        bad = 0 if better or now.waiting else now.bad + 1
        waiting, factor = max(0, now.waiting - 1), now.factor
        if bad > self._number("patience"):
            cut = max(factor * self._number("gamma"), self._number("least"))
            factor = cut if factor - cut > self._number("eps") else factor
            bad, waiting = 0, int(self._number("wait"))
        self._state = PlateauState(best=metric if better else now.best, factor=factor, bad=bad, waiting=waiting)
        return factor

    def state(self) -> dict[str, float]:
        """All that it remembers, as plain data."""
        return asdict(self._state)

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from what ``state`` gave. Raises UsageError where that is not the state of a plateau."""
        known = asdict(self._state)
        if set(state) != set(known):
            raise UsageError(f"plateau: expected a state with {', '.join(known)}, got {', '.join(map(str, state))}")
        self._state = PlateauState(
            best=float(state["best"]),
            factor=float(state["factor"]),
            bad=int(state["bad"]),
            waiting=int(state["waiting"]),
        )

    @property
    def _sign(self) -> float:
        return 1.0 if self.hypers["direction"] == "maximize" else -1.0

    def _better(self, metric: float) -> bool:
        best, margin = self._state.best, self._sign * self._number("threshold")
        limit = best * (1.0 + margin) if self.hypers["threshold_mode"] == "relative" else best + margin
        return metric > limit if self._sign > 0 else metric < limit

    def _number(self, name: str) -> float:
        return float(self.hypers[name] or 0.0)
