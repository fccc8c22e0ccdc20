"""Groups that are alike are not ranked; groups that differ are; and everyone's worst outcome counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from analysis_sweeps import ACCURACY, LOSS, record, sweep

from tuner.analysis import verdict
from tuner.analysis.results import Configuration, Results
from tuner.analysis.verdict import verdicts
from tuner.trial import Objective, State

PLAIN = {"optimizer": "sgd", "schedule": "constant"}


def group(values: Sequence[float], *others: State) -> tuple[Configuration, ...]:
    """Completed configurations with these values as accuracy and loss, and some that ended otherwise."""
    completed = [record(i, PLAIN, values={"accuracy": v, "loss": v}) for i, v in enumerate(values)]
    rest = [record(len(values) + i, PLAIN, state) for i, state in enumerate(others)]
    return Results(sweep(objectives=[ACCURACY, LOSS]), completed + rest).configurations


def test_equal_groups_are_seldom_set_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "RESAMPLES", 199)
    rng = np.random.default_rng(0)
    findings = [
        verdicts("a", {"a": group(rng.normal(size=24)), "b": group(rng.normal(size=10))}, ACCURACY)[0].finding
        for _ in range(120)
    ]
    assert findings.count("undecided") / len(findings) > 0.9


@pytest.mark.parametrize(("objective", "better"), [(ACCURACY, "high"), (LOSS, "low")])
def test_groups_that_differ_are_set_apart_both_ways(objective: Objective, better: str) -> None:
    rng = np.random.default_rng(0)
    groups = {"low": group(rng.normal(0.0, 1.0, 30)), "high": group(rng.normal(3.0, 1.0, 30))}
    (by_low,) = verdicts("low", groups, objective)
    (by_high,) = verdicts("high", groups, objective)
    assert by_low.finding == ("ahead" if better == "low" else "behind")
    assert by_high.finding == ("ahead" if better == "high" else "behind")
    assert by_low.p == by_high.p < 0.01


def test_only_how_well_a_group_can_do_counts() -> None:
    rng = np.random.default_rng(0)
    best = rng.normal(10.0, 0.1, 12)
    narrow, wide = group([*best, *rng.normal(9.0, 0.1, 28)]), group([*best + 0.01, *rng.normal(0.0, 0.1, 28)])
    assert verdicts("narrow", {"narrow": narrow, "wide": wide}, ACCURACY)[0].finding == "undecided"


def test_diverging_is_worse_than_being_pruned_and_that_than_any_value() -> None:
    groups = {
        "diverged": group([], *[State.DIVERGED] * 12),
        "pruned": group([], *[State.PRUNED] * 12),
        "poor": group([1e9] * 12),
    }
    findings = {(v.leader, v.rival): v.finding for name in groups for v in verdicts(name, groups, LOSS)}
    assert findings["poor", "pruned"] == findings["pruned", "diverged"] == findings["poor", "diverged"] == "ahead"


def test_groups_without_an_outcome_are_not_judged() -> None:
    groups = {"a": group([1.0, 2.0]), "b": group([], State.RUNNING, State.FAILED)}
    assert verdicts("a", groups, LOSS) == []
    assert verdicts("b", groups, LOSS) == []


@pytest.mark.parametrize("values", [([1.0], [2.0]), ([1.0], [2.0] * 50), ([1.0] * 50, [2.0]), ([5.0] * 8, [5.0] * 8)])
def test_too_little_to_go_by_is_undecided(values: tuple[list[float], list[float]]) -> None:
    (only,) = verdicts("a", {"a": group(values[0]), "b": group(values[1])}, LOSS)
    assert (only.finding, only.p) == ("undecided", 1.0)


def test_more_rivals_ask_for_more_evidence() -> None:
    rng = np.random.default_rng(3)
    leader, rival = group(rng.normal(0.8, 1.0, 16)), group(rng.normal(0.0, 1.0, 16))
    alone = verdicts("a", {"a": leader, "b": rival}, ACCURACY)[0].p
    crowd = verdicts("a", {"a": leader, "b": rival, **{f"c{i}": rival for i in range(4)}}, ACCURACY)
    assert [v.p for v in crowd] == pytest.approx([min(1.0, 5 * alone)] * 5)


def test_a_verdict_is_the_same_every_time() -> None:
    rng = np.random.default_rng(0)
    groups = {"a": group(rng.normal(size=20)), "b": group(rng.normal(size=20))}
    assert verdicts("a", groups, ACCURACY) == verdicts("a", groups, ACCURACY)
