"""What a sweep found, in sentences: the winner, how sure that is, and what should make the reader careful."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tuner.analysis import text
from tuner.analysis.leaderboard import trial_range
from tuner.analysis.results import Configuration, Results
from tuner.analysis.statistics import least_difference
from tuner.analysis.verdict import Verdict, verdicts
from tuner.space import Edge
from tuner.trial import State, Sweep, TrialRecord, Value

AtEdge = Callable[[str, Value], Edge | None]

FEW = 10  # completed configurations of one optimizer under which little can be said of it
MANY_DIVERGED = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """``headline`` is one sentence; ``verdict`` says what the data decide; ``cautions`` what they cannot."""

    headline: str
    verdict: tuple[str, ...]
    cautions: tuple[str, ...]


def findings(sweep: Sweep, records: Sequence[TrialRecord], edge: AtEdge) -> Findings:
    """The findings of a sweep. ``edge(name, value)`` tells whether a value lies at an end of its searched range."""
    return find(Results(sweep, records), edge)


def find(results: Results, edge: AtEdge) -> Findings:
    """``findings``, of results at hand."""
    return Findings(
        headline=headline(results),
        verdict=(*_between_optimizers(results), *_between_seeds(results)),
        cautions=tuple(_cautions(results, edge)),
    )


def leader_verdicts(results: Results) -> list[Verdict]:
    """The winner's optimizer against every other one; empty where there is no winner."""
    if results.winner is None:
        return []
    return verdicts(results.winner.optimizer, results.groups("optimizer"), results.objective)


def headline(results: Results) -> str:
    """What was found, in one sentence."""
    winner = results.winner
    if winner is None:
        counts = [f"{n} {state}" for state in State if (n := results.count(state))]
        return f"No configuration was completed: {text.listing(counts)}." if counts else "No trial was proposed yet."
    if len(results.sweep.objectives) > 1:
        front = sum(place.rank == 1 for place in results.ranking)
        metrics = text.listing([objective.metric for objective in results.sweep.objectives])
        return (
            f"{front} of {text.count(len(results.ranking), 'completed configuration')} form the Pareto front of "
            f"{metrics}: better in one is worse in another."
        )
    best = winner.estimates[results.objective.metric]
    certainty = (
        "one seed, so no interval"
        if best.sd is None
        else f"95 % interval {text.interval(best.low, best.high)} over {best.n} repeats"
    )
    return f"{_name(winner)} reached {results.objective.metric} {text.number(best.mean)} ({certainty})."


def _name(configuration: Configuration) -> str:
    trials = tuple(trial.spec.index for trial in configuration.trials)
    plural = "trial" if len(trials) == 1 else "trials"
    return f"{configuration.optimizer} with schedule {configuration.schedule} ({plural} {trial_range(trials)})"


def _subject(results: Results) -> str:
    """The first of the ranking, which won only where there is one objective."""
    return "The winner" if len(results.sweep.objectives) == 1 else f"The best by {results.objective.metric}"


def _between_optimizers(results: Results) -> Iterator[str]:
    judged = leader_verdicts(results)
    if not judged:
        return
    leader = judged[0].leader
    measure = f"By {results.objective.metric}, " if len(results.sweep.objectives) > 1 else ""
    ahead, behind, undecided = (
        [verdict for verdict in judged if verdict.finding == finding] for finding in ("ahead", "behind", "undecided")
    )
    if undecided:
        yield (
            f"{measure}{leader} cannot be told apart from {text.listing([v.rival for v in undecided])}: "
            "this sweep does not show which of them is best."
        )
    if ahead:
        yield f"{measure}{leader} is ahead of {text.listing([v.rival for v in ahead])} beyond chance ({_p(ahead)})."
    if behind:
        yield (
            f"{_subject(results)} is one of {leader}, yet the best quarter of "
            f"{text.listing([v.rival for v in behind])} is ahead of {leader}'s ({_p(behind)})."
        )


def _p(judged: Sequence[Verdict]) -> str:
    return f"p ≤ {text.number(max(verdict.p for verdict in judged), 2)}"


def _between_seeds(results: Results) -> Iterator[str]:
    """Whether the winner leads the other good configurations by more than seeds make of one configuration."""
    metric = results.objective.metric
    better_half = [place.configuration for place in results.ranking[: (len(results.ranking) + 1) // 2]]
    needed = least_difference([configuration.estimates[metric] for configuration in better_half])
    if needed is None:
        return
    best = results.values[better_half[0].index]
    near = sum(abs(results.values[configuration.index] - best) <= needed for configuration in better_half[1:])
    lead = f"a lead of {text.number(needed, 2)} in {metric}"
    if near:
        yield f"Between seeds {lead} is noise: {text.count(near, 'other configuration')} may be as good as the best."
    else:
        yield f"{_subject(results)} leads every other configuration by more than the noise between seeds ({lead})."


def _cautions(results: Results, edge: AtEdge) -> Iterator[str]:
    yield from _unfinished(results)
    yield from _lost(results)
    winner = results.winner
    if winner is None:
        return
    for name, value in winner.params.items():
        end = edge(name, value)
        if end is not None:
            yield (
                f"{_subject(results)}'s {name} = {text.value(value)} lies at the {end} end of its range: "
                "the best may lie beyond it. Widen the range and search on."
            )
    if results.sweep.repeats == 1 and len(results.ranking) > 1:
        yield (
            "Every configuration ran from one seed, and the winner was picked for its result, so expect less when it "
            "is run again. Confirm it with repeats: 3."
        )
    groups = results.groups("optimizer").items()
    completed = {name: sum(c.index in results.values for c in members) for name, members in groups}
    few = [f"{name} ({n})" for name, n in completed.items() if n < FEW]
    if few:
        yield f"Too few configurations completed to judge an optimizer by: {text.listing(few)}."


def _unfinished(results: Results) -> Iterator[str]:
    open_trials = sum(not record.state.is_outcome for record in results.records)
    if open_trials:
        yield f"The sweep has not ended: {text.count(open_trials, 'trial')} without an outcome."


def _lost(results: Results) -> Iterator[str]:
    ended = sum(record.state.is_outcome for record in results.records)
    failed, diverged, pruned = (results.count(state) for state in (State.FAILED, State.DIVERGED, State.PRUNED))
    if failed:
        yield f"{text.count(failed, 'trial')} failed with an error and could not be counted; their notes say why."
    if ended and diverged / ended > MANY_DIVERGED:
        yield (
            f"{diverged / ended:.0%} of the trials diverged; learning rates that reach too high are the usual cause."
        )
    if ended and pruned == ended:
        yield "Every trial was pruned, so no value is final. Give the pruner more startup trials or warmup steps."
