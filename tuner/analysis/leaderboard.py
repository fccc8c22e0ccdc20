"""The ranked configurations of a sweep, as rows of plain data and as a table for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from tuner.analysis import text
from tuner.analysis.results import Place, Results
from tuner.analysis.statistics import Estimate
from tuner.trial import Sweep, TrialRecord, Value, owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One configuration. ``hypers`` are the searched parameters it has, by short name; ``seconds`` is wall time."""

    rank: int
    configuration: int
    trials: tuple[int, ...]
    estimates: Mapping[str, Estimate]
    optimizer: str
    schedule: str
    hypers: Mapping[str, Value]
    steps: int
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """The best rows, best first. ``ranked`` of ``configurations`` were completed and could be ranked."""

    sweep: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    ranked: int
    configurations: int

    def as_table(self) -> Table:
        """The rows for a terminal of 80 columns or more: names and hyperparameters wrap, numbers do not."""
        table = Table(
            title=f"{escape(self.sweep)}: {len(self.rows)} of {text.count(self.configurations, 'configuration')}",
            title_justify="left",
            box=None,
            pad_edge=False,
            header_style="bold",
        )
        table.add_column("#", justify="right", no_wrap=True)
        table.add_column("trial", justify="right", no_wrap=True)
        for metric in self.metrics:
            table.add_column(escape(text.label(metric, 16)), justify="right", no_wrap=True)
        table.add_column("optimizer", overflow="fold")
        table.add_column("schedule", overflow="fold")
        table.add_column("hyperparameters", ratio=1, overflow="fold")
        table.add_column("steps", justify="right", no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(
                str(row.rank),
                trial_range(row.trials),
                *(text.plus_minus(row.estimates[metric]) for metric in self.metrics),
                escape(text.label(row.optimizer, 16)),
                escape(text.label(row.schedule, 16)),
                escape(text.settings(row.hypers.items())),
                f"{row.steps:,}",
                text.duration(row.seconds),
            )
        return table


def leaderboard(sweep: Sweep, records: Sequence[TrialRecord], top: int = 10) -> Leaderboard:
    """The ``top`` best completed configurations of a sweep."""
    return leaders(Results(sweep, records), top)


def leaders(results: Results, top: int) -> Leaderboard:
    """``leaderboard``, of results at hand."""
    return Leaderboard(
        sweep=results.sweep.id,
        metrics=tuple(objective.metric for objective in results.sweep.objectives),
        rows=rows(results, top),
        ranked=len(results.ranking),
        configurations=len(results.configurations),
    )


def rows(results: Results, top: int) -> tuple[Row, ...]:
    """The ``top`` best configurations as rows."""
    return tuple(_row(place, results.searched) for place in results.ranking[:top])


def short_names(names: Iterable[str], optimizer: str, schedule: str) -> dict[str, str]:
    """Parameters by their names beside a known optimizer and schedule: ``adamw.lr`` is ``lr``.

    A short name that two parameters would share is not used for either.
    """
    short: dict[str, str] = {}
    for name in names:
        entry, _, hyper = name.partition(".")
        short[name] = hyper if hyper and entry in (optimizer, owner(schedule)) else name
    uses = Counter(short.values())
    return {name: brief if uses[brief] == 1 else name for name, brief in short.items()}


def trial_range(trials: Sequence[int]) -> str:
    """``12``, or ``12-14`` for the repeats of one configuration."""
    return str(trials[0]) if len(trials) == 1 else f"{trials[0]}-{trials[-1]}"


def _row(place: Place, searched: Sequence[str]) -> Row:
    it = place.configuration
    rates = {f"{it.optimizer}.lr", f"then.{it.params.get('then.optimizer')}.lr"}  # told even where they are fixed
    telling = {*searched, *rates} - {"optimizer", "schedule"}
    own = [name for name in it.params if name in telling]
    return Row(
        rank=place.rank,
        configuration=it.index,
        trials=tuple(trial.spec.index for trial in it.trials),
        estimates=it.estimates,
        optimizer=it.optimizer,
        schedule=it.schedule,
        hypers={short: it.params[name] for name, short in short_names(own, it.optimizer, it.schedule).items()},
        steps=it.steps,
        seconds=it.seconds,
    )
