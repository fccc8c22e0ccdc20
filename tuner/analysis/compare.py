"""Several sweeps side by side: what each found, what it cost, and whether the difference is beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich.markup import escape
from rich.table import Table

from tuner.analysis import text
from tuner.analysis.progress import progress
from tuner.analysis.results import Results
from tuner.analysis.statistics import Estimate
from tuner.analysis.verdict import Verdict, verdicts
from tuner.errors import UsageError
from tuner.trial import Objective, State, Sweep, TrialRecord

TOP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sweep. ``steps`` is the training steps of all its ended trials.

    ``best`` is the winner's estimate, ``optimizer`` its optimizer; ``top_median`` the median of the five best means;
    ``best_at_equal_steps`` the best when as many steps had been spent as the cheapest of the sweeps spent in all. Each
    is None where nothing was completed (by then). ``verdict`` is the leading sweep's against this one, None for the
    leader itself and where a sweep has no outcome.
    """

    sweep: str
    trials: int
    completed: int
    steps: int
    optimizer: str | None
    best: Estimate | None
    top_median: float | None
    best_at_equal_steps: float | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Sweeps in the order given. ``leader`` has the best winner, None where nothing was completed in any."""

    objective: Objective
    equal_steps: int
    leader: str | None
    entries: tuple[Entry, ...]

    def as_table(self) -> Table:
        """The entries for a terminal of 80 columns or more."""
        metric = escape(text.label(self.objective.metric, 16))
        table = Table(
            title=f"{metric} ({self.objective.direction})", title_justify="left", box=None, header_style="bold",
            pad_edge=False,
        )  # fmt: skip
        table.add_column("sweep", overflow="fold")
        table.add_column("trials", justify="right")
        table.add_column("steps", justify="right")
        table.add_column("best", justify="right")
        table.add_column(f"median of top {TOP}", justify="right")
        table.add_column(f"best at {self.equal_steps:,} steps", justify="right")
        table.add_column("optimizer")
        table.add_column("verdict")
        for entry in self.entries:
            table.add_row(
                escape(entry.sweep),
                f"{entry.completed:,}/{entry.trials:,}",
                f"{entry.steps:,}",
                "–" if entry.best is None else text.plus_minus(entry.best),
                "–" if entry.top_median is None else text.number(entry.top_median),
                "–" if entry.best_at_equal_steps is None else text.number(entry.best_at_equal_steps),
                "–" if entry.optimizer is None else escape(text.label(entry.optimizer, 16)),
                _standing(entry, self.leader),
            )
        return table


def compare(sweeps: Sequence[tuple[Sweep, Sequence[TrialRecord]]]) -> Comparison:
    """Compare sweeps by their first objective.

    Raises UsageError for no sweep, for one given twice, and for sweeps whose first objectives or workloads differ.
    """
    shared = _shared_objective([sweep for sweep, _ in sweeps])
    every = [Results(sweep, records) for sweep, records in sweeps]
    spent = [progress(results) for results in every]
    equal_steps = min((p.total_steps for p in spent if p.total_steps), default=0)
    led = [(results.cost(results.winner, shared), results.sweep.id) for results in every if results.winner]
    leader = min(led, default=(0.0, None))[1]
    groups = {results.sweep.id: results.configurations for results in every}
    judged = {v.rival: v for v in verdicts(leader, groups, shared)} if leader is not None else {}
    return Comparison(
        objective=shared,
        equal_steps=equal_steps,
        leader=leader,
        entries=tuple(
            Entry(
                sweep=results.sweep.id,
                trials=len(results.records),
                completed=results.count(State.COMPLETED),
                steps=curve.total_steps,
                optimizer=results.winner.optimizer if results.winner else None,
                best=results.winner.estimates[shared.metric] if results.winner else None,
                top_median=median(list(results.values.values())[:TOP]) if results.values else None,
                best_at_equal_steps=curve.after_steps(equal_steps),
                verdict=judged.get(results.sweep.id),
            )
            for results, curve in zip(every, spent, strict=True)
        ),
    )


def _shared_objective(sweeps: Sequence[Sweep]) -> Objective:
    if not sweeps:
        raise UsageError("compare: expected one or more sweeps, got none; `tuner list` names them")
    twice = [name for name, n in Counter(sweep.id for sweep in sweeps).items() if n > 1]
    if twice:
        raise UsageError(f"compare: expected different sweeps, got {twice[0]!r} twice")
    first = sweeps[0]
    for sweep in sweeps[1:]:
        if sweep.objectives[0] != first.objectives[0]:
            raise UsageError(
                f"compare: expected sweeps of one objective, got {_words(first)} and {_words(sweep)}; "
                "compare sweeps that optimise the same metric in the same way"
            )
        if sweep.spec.get("workload") != first.spec.get("workload"):
            raise UsageError(
                f"compare: expected sweeps of one workload, got {first.spec.get('workload')} ({first.id!r}) and "
                f"{sweep.spec.get('workload')} ({sweep.id!r}): their numbers mean different things"
            )
    return first.objectives[0]


def _words(sweep: Sweep) -> str:
    objective = sweep.objectives[0]
    return f"{sweep.id!r} ({objective.direction} {objective.metric} at the {objective.at} evaluation)"


def _standing(entry: Entry, leader: str | None) -> str:
    if entry.sweep == leader:
        return "leads"
    if entry.verdict is None:
        return "–"
    words = {"ahead": "behind", "behind": "ahead of the leader", "undecided": "not told apart"}[entry.verdict.finding]
    return f"{words} (p = {text.number(entry.verdict.p, 2)})"
