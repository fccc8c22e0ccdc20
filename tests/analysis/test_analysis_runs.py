"""A run of a recurring sweep against the one before: did the winner change, and is that more than chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from analysis_sweeps import LOSS, record, sweep

from tuner.analysis.runs import Change, Run, change

GOOD, MIDDLE, BAD = ([base + 0.001 * i for i in range(12)] for base in (0.9, 0.6, 0.3))  # accuracies


def run(name: str, values: Mapping[str, Sequence[float]]) -> Run:
    """A run in which these optimizers came to these accuracies."""
    chosen = [(optimizer, value) for optimizer, of in values.items() for value in of]
    made = [
        record(i, {"optimizer": o, "schedule": "constant"}, values={"accuracy": v}) for i, (o, v) in enumerate(chosen)
    ]
    return replace(sweep(), id=name), made


BEFORE = run("last", {"adamw": GOOD, "sgd": BAD})


@pytest.mark.parametrize(
    ("values", "winner", "is_real", "words"),
    [
        ({"adamw": GOOD, "sgd": BAD}, "adamw", False, "as in last; its values and those of last are not told apart"),
        ({"adamw": BAD, "sgd": GOOD}, "sgd", True, "the winner changed beyond noise: adamw won last (p = "),
        (
            {"adamw": GOOD, "sgd": [v + 5e-4 for v in GOOD]},
            "sgd",
            False,
            "adamw won last, and the two are not told apart (p = ",
        ),
        ({"sgd": GOOD}, "sgd", False, "adamw, which won last, came to nothing or was not tried"),
        (
            {"adamw": MIDDLE, "sgd": BAD},
            "adamw",
            False,
            "as in last; its values are worse than those of last beyond noise",
        ),
        ({"adamw": [v + 0.05 for v in GOOD]}, "adamw", False, "its values are better than those of last beyond noise"),
        ({"adamw": [0.999, *BAD, *BAD]}, "adamw", False, "its values are worse than those of last beyond noise"),
        ({}, None, False, "nothing was completed"),
    ],
)
def test_how_a_run_stands_to_the_one_before(
    values: Mapping[str, Sequence[float]], winner: str | None, is_real: bool, words: str
) -> None:
    found = change(run("this", values), BEFORE)
    assert (found.winner, found.is_real) == (winner, is_real)
    assert words in found.words


def test_the_first_run_has_nothing_to_be_compared_with() -> None:
    said = Change(winner="adamw", is_real=False, words="adamw won, accuracy 0.911")
    assert change(BEFORE, None) == said
    assert change(BEFORE, run("empty", {})) == said


def test_a_run_with_another_objective_is_not_compared() -> None:
    other = (replace(BEFORE[0], id="other", objectives=(LOSS,)), [replace(r, values={"loss": 0.1}) for r in BEFORE[1]])
    assert change(BEFORE, other).words.endswith("other had another objective or workload")
