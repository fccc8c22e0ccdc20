"""The sentences of a report appear when, and only when, they are true."""

from __future__ import annotations

import pytest
from analysis_sweeps import ACCURACY, LOSS, record, records, sweep

from tuner.analysis.findings import findings
from tuner.trial import State, Value

PLAIN = {"optimizer": "sgd", "schedule": "cosine", "sgd.lr": 0.1}


def nowhere(_name: str, _value: Value) -> None:
    return None


def many(optimizer: str, values: list[float], first: int = 0) -> list:
    chosen = {"optimizer": optimizer, "schedule": "constant", f"{optimizer}.lr": 0.1}
    return [record(first + i, chosen, values={"accuracy": v}) for i, v in enumerate(values)]


def test_the_winner_is_named_with_its_interval() -> None:
    made = [record(i, PLAIN, values={"accuracy": v}) for i, v in enumerate([0.90, 0.92, 0.94])]
    assert findings(sweep(repeats=3), made, nowhere).headline == (
        "sgd with schedule cosine (trials 0-2) reached accuracy 0.92 (95 % interval 0.8703 to 0.9697 over 3 repeats)."
    )


def test_one_seed_has_no_interval_and_a_caution() -> None:
    it = findings(sweep(), records(30), nowhere)
    assert "one seed, so no interval" in it.headline
    assert any("repeats: 3" in caution for caution in it.cautions)


def test_alike_are_not_ranked_and_unlike_are() -> None:
    alike = [0.90 + 0.001 * i for i in range(20)]
    worse = [0.50 + 0.001 * i for i in range(20)]
    made = many("adam", alike) + many("nadam", alike, 20) + many("sgd", worse, 40)
    undecided, ahead = findings(sweep(), made, nowhere).verdict
    assert undecided.startswith("adam cannot be told apart from nadam:")
    assert ahead.startswith("adam is ahead of sgd beyond chance (p ≤ ")


def test_a_lucky_winner_of_a_worse_optimizer_is_called_that() -> None:
    made = many("sgd", [0.99] + [0.5 + 0.001 * i for i in range(19)]) + many(
        "adam", [0.9 + 0.001 * i for i in range(20)], 20
    )
    (sentence,) = findings(sweep(), made, nowhere).verdict
    assert sentence.startswith("The winner is one of sgd, yet the best quarter of adam is ahead of sgd's")


@pytest.mark.parametrize(("gap", "words"), [(0.001, "is noise: 1 other configuration may"), (0.2, "by more than")])
def test_the_noise_of_seeds_decides_between_configurations(gap: float, words: str) -> None:
    values = [0.9, 0.91, 0.92, *(v - gap for v in (0.9, 0.91, 0.92)), 0.5, 0.51, 0.52]
    it = findings(sweep(repeats=3), many("sgd", values), nowhere)
    assert words in it.verdict[-1]


def test_a_winner_at_the_edge_is_told() -> None:
    it = findings(sweep(), [record(0, PLAIN)], lambda name, _: "high" if name == "sgd.lr" else None)
    assert [c for c in it.cautions if "end of its range" in c] == [
        "The winner's sgd.lr = 0.1 lies at the high end of its range: "
        "the best may lie beyond it. Widen the range and search on."
    ]


def test_several_objectives_have_a_front_and_no_winner() -> None:
    it = findings(sweep(objectives=[ACCURACY, LOSS]), records(30), nowhere)
    assert "Pareto front of accuracy and loss" in it.headline
    assert all(sentence.startswith("By accuracy, ") for sentence in it.verdict)
    assert not any("winner's" in caution for caution in it.cautions)


CAUTIONS = {
    "has not ended: 3 trials": [State.COMPLETED, State.RUNNING, State.WAITING, State.WAITING],
    "2 trials failed": [State.COMPLETED, State.FAILED, State.FAILED],
    "67% of the trials diverged": [State.COMPLETED, State.DIVERGED, State.DIVERGED],
    "Every trial was pruned": [State.PRUNED, State.PRUNED],
    "Too few configurations completed to judge an optimizer by: sgd (1)": [State.COMPLETED],
}


@pytest.mark.parametrize("words", CAUTIONS)
def test_each_caution_is_given_where_it_is_due_alone(words: str) -> None:
    for states in CAUTIONS.values():
        made = [record(i, PLAIN, state) for i, state in enumerate(states)]
        given = " ".join(findings(sweep(), made, nowhere).cautions)
        due = states is CAUTIONS[words] or (words.startswith("Too few") and State.COMPLETED in states)
        assert (words in given) == due


@pytest.mark.parametrize(
    ("states", "headline"),
    [
        ([], "No trial was proposed yet."),
        ([State.DIVERGED, State.PRUNED, State.PRUNED], "No configuration was completed: 2 pruned and 1 diverged."),
        ([State.RUNNING], "No configuration was completed: 1 running."),
    ],
)
def test_nothing_completed_is_said_so(states: list[State], headline: str) -> None:
    assert findings(sweep(), [record(i, PLAIN, s) for i, s in enumerate(states)], nowhere).headline == headline
