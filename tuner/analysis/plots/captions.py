"""What is said of each plot wherever it is shown: its title, and what to see in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SPREAD = "Completed configurations (how many) by median: the bar spans the quartiles, the ring is the best."


@dataclass(frozen=True, slots=True)
class Caption:
    """``title`` in a few words, ``text`` in a sentence or two."""

    title: str
    text: str


_CAPTIONS: Mapping[str, Caption] = {
    "pareto": Caption(
        "Trade-off",
        "The first two objectives. Large outlined points form the Pareto front: none is better in both.",
    ),
    "progress": Caption(
        "Best {metric} so far",
        "Each point is a completed configuration, the line the best until then. A line that still moves at its end "
        "asks for a longer search.",
    ),
    "rates": Caption(
        "Learning rate",
        "Base learning rate against {metric}. The ring is the optimizer's best, a cross a configuration that "
        "diverged, grey the other optimizers.",
    ),
    "optimizers": Caption("By optimizer", _SPREAD),
    "schedules": Caption("By schedule", _SPREAD),
    "curves": Caption(
        "Learning curves", "The five best in colour, one line a repeat; the others grey, the pruned ones shorter."
    ),
    "leaders": Caption("What the leaders' schedules do", "Learning rate at every step of the five best."),
    "importances": Caption(
        "What mattered",
        "Share of the variation in the rank of {metric} that each hyperparameter explains in its range.",
    ),
    "parallel": Caption("Every configuration", "A line for each: the bluer the better, the five best orange."),
}


def caption(plot: str, metric: str) -> Caption:
    """The caption of a plot by its name, where the first objective is ``metric``."""
    found = _CAPTIONS[plot]
    return Caption(found.title.replace("{metric}", metric), found.text.replace("{metric}", metric))
