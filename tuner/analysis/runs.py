"""One run of a recurring sweep against the one before it: did the winner change, and is that more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.analysis import text
from tuner.analysis.compare import compare
from tuner.analysis.results import Results
from tuner.analysis.verdict import verdicts
from tuner.errors import UsageError
from tuner.trial import Sweep, TrialRecord

Run = tuple[Sweep, Sequence[TrialRecord]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``winner`` is the winning optimizer, None where nothing was completed.

    ``is_real``: another one won the run before, and the two are told apart beyond chance. ``words`` say it all in a
    sentence or two.
    """

    winner: str | None
    is_real: bool
    words: str


def change(this: Run, before: Run | None) -> Change:
    """How a run's winner stands to that of the run before, judged by the trials of this one."""
    results = Results(*this)
    won = results.winner
    if won is None:
        return Change(winner=None, is_real=False, words="nothing was completed")
    metric = results.objective.metric
    found = f"{won.optimizer} won, {metric} {text.plus_minus(won.estimates[metric])}"
    last = Results(*before).winner if before else None
    if before is None or last is None:
        return Change(winner=won.optimizer, is_real=False, words=found)
    is_real, words = _winners(results, won.optimizer, last.optimizer, before[0].id)
    return Change(winner=won.optimizer, is_real=is_real, words=f"{found}; {words}; {_values(this, before)}")


def _winners(results: Results, winner: str, last: str, before: str) -> tuple[bool, str]:
    if winner == last:
        return False, f"as in {before}"
    judged = {v.rival: v for v in verdicts(winner, results.groups("optimizer"), results.objective)}
    if last not in judged:
        return False, f"{last}, which won {before}, came to nothing or was not tried"
    verdict = judged[last]
    p = f"(p = {text.number(verdict.p, 2)})"
    if verdict.finding == "ahead":
        return True, f"the winner changed beyond noise: {last} won {before} {p}"
    return False, f"{last} won {before}, and the two are not told apart {p}"


def _values(this: Run, before: Run) -> str:
    """Whether this run as a whole came to better values than the one before."""
    name = before[0].id
    try:
        comparison = compare([before, this])
    except UsageError:
        return f"{name} had another objective or workload"
    verdict = next((entry.verdict for entry in comparison.entries if entry.verdict), None)
    if verdict is None or verdict.finding == "undecided":
        return f"its values and those of {name} are not told apart"
    is_better = (verdict.leader == this[0].id) == (verdict.finding == "ahead")
    return f"its values are {'better' if is_better else 'worse'} than those of {name} beyond noise"
