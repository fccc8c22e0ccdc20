"""Sweeps are compared at equal cost, and only where they can be."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from analysis_sweeps import ACCURACY, LOSS, record, records, sweep
from rich.console import Console

from tuner.analysis.compare import compare
from tuner.analysis.progress import progress
from tuner.analysis.results import Results
from tuner.errors import UsageError
from tuner.trial import State, Sweep, TrialRecord

PLAIN = {"optimizer": "sgd", "schedule": "constant", "sgd.lr": 0.1}


def named(name: str, values: list[float], steps: int = 100) -> tuple[Sweep, list[TrialRecord]]:
    made = [record(i, PLAIN, values={"accuracy": v}, total_steps=steps) for i, v in enumerate(values)]
    return replace(sweep(), id=name), made


def test_each_entry_says_what_its_sweep_says() -> None:
    given = [(replace(sweep(), id=f"s-{n}"), records(n, seed=n)) for n in (20, 60)]
    comparison = compare(given)
    assert comparison.equal_steps == min(progress(Results(*one)).total_steps for one in given)
    for entry, one in zip(comparison.entries, given, strict=True):
        results = Results(*one)
        values = list(results.values.values())
        assert (entry.sweep, entry.trials, entry.completed) == (one[0].id, len(one[1]), results.count(State.COMPLETED))
        assert entry.best is not None
        assert entry.best.mean == max(values)
        assert entry.top_median == sorted(values)[-3]
        assert entry.best_at_equal_steps == progress(results).after_steps(comparison.equal_steps)
    leader = next(entry for entry in comparison.entries if entry.sweep == comparison.leader)
    assert leader.verdict is None
    assert leader.best is not None
    assert all(entry.best and entry.best.mean <= leader.best.mean for entry in comparison.entries)


def test_a_longer_sweep_is_judged_by_what_it_had_at_equal_cost() -> None:
    short, long = named("short", [0.5, 0.6]), named("long", [0.4] * 3 + [0.9])
    first, second = compare([short, long]).entries
    assert (first.best_at_equal_steps, second.best_at_equal_steps) == (0.6, 0.4)


def test_the_difference_of_alike_sweeps_is_undecided_and_of_unlike_ones_not() -> None:
    good, alike, worse = (
        named("good", [0.9 + 0.001 * i for i in range(20)]),
        named("alike", [0.8995 + 0.001 * i for i in range(20)]),
        named("worse", [0.3 + 0.001 * i for i in range(20)]),
    )
    findings = [entry.verdict and entry.verdict.finding for entry in compare([worse, good, alike]).entries]
    assert findings == ["ahead", None, "undecided"]


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_and_says_who_leads(width: int) -> None:
    out = io.StringIO()
    given = [named("digits-mlp-adamw-1", [0.9] * 12), named("digits-mlp-sgd-12", [0.1] * 12), named("empty-1", [])]
    Console(file=out, width=width).print(compare(given).as_table())
    text = " ".join(out.getvalue().split())
    assert all(len(line) <= width for line in out.getvalue().splitlines())
    assert "…" not in text
    assert "leads" in text
    assert "behind" in text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "expected one or more sweeps, got none"),
        ([named("a-1", []), named("a-1", [])], "'a-1' twice"),
        (
            [(replace(sweep(), id="a-1"), []), (replace(sweep(objectives=[LOSS]), id="b-1"), [])],
            r"'a-1' \(maximize accuracy at the last evaluation\) and 'b-1' \(minimize loss at the last evaluation\)",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(given: list[tuple[Sweep, list[TrialRecord]]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compare(given)


def test_sweeps_without_results_are_compared_too() -> None:
    comparison = compare([named("a-1", []), (replace(sweep(), id="b-1"), [record(0, PLAIN, State.RUNNING)])])
    assert comparison.leader is None
    assert comparison.objective == ACCURACY
    assert all(entry.best is entry.verdict is entry.top_median is None for entry in comparison.entries)
    assert all(entry.best_at_equal_steps is None for entry in comparison.entries)
