"""What mattered, read off records."""

from __future__ import annotations

import pytest
from search_sweeps import ACCURACY, CONDITIONAL, LOSS, Sweep, conditional_loss, make

from tuner.search import importances
from tuner.search.importance import unmeasurable
from tuner.space import Branch, Fixed, Log, Space, Uniform
from tuner.trial import Objective, Params, State, TrialRecord, TrialSpec


def record(index: int, params: Params, state: State = State.COMPLETED, **values: float) -> TrialRecord:
    return TrialRecord(
        spec=TrialSpec(sweep="s-1", index=index, params=params, seed=0, total_steps=10),
        state=state,
        values=values,
        step=10,
        proposed_at=0.0,
        started_at=0.0,
        finished_at=1.0,
        worker="w",
        note="",
    )


def drawn(space: Space, count: int) -> list[Params]:
    return Sweep(make("random", space=space), lambda _: 0.0, mishaps=0.0).run(count).asked


LINE = Space(branches=(), shared={"lr": Log(1e-6, 1.0), "dull": Uniform(0.0, 1.0), "fixed": Fixed(3)})


def test_what_matters_comes_first_and_shares_are_shares() -> None:
    records = [record(i, p, loss=abs(float(p["lr"]) ** 0.1 - 0.4)) for i, p in enumerate(drawn(LINE, 60))]
    shares = importances(LINE, records, LOSS)
    assert list(shares) == ["lr", "dull"]
    assert shares["lr"] > 0.7
    assert 0.0 <= shares["dull"] < 0.1
    assert sum(shares.values()) <= 1.0


def test_a_range_counts_on_its_search_scale() -> None:
    """Most of [1e-6, 1] lies above 0.01 on a linear scale, where this objective is flat."""
    records = [record(i, p, loss=float(p["lr"] < 1e-4)) for i, p in enumerate(drawn(LINE, 60))]
    assert importances(LINE, records, LOSS)["lr"] > 0.7


def test_a_parameter_of_a_rare_option_counts_with_the_part_the_option_plays() -> None:
    space = Space(
        branches=(Branch("optimizer", {"a": {"a.lr": Uniform(0.0, 1.0)}, "b": {"b.lr": Uniform(0.0, 1.0)}}),), shared={}
    )

    def loss(params: Params) -> float:
        return float(params["a.lr"]) if params["optimizer"] == "a" else 0.5

    records = [record(i, p, loss=loss(p)) for i, p in enumerate(drawn(space, 80))]
    shares = importances(space, records, LOSS)
    assert shares["a.lr"] > 3 * shares["b.lr"]
    assert set(shares) == {"optimizer", "a.lr", "b.lr"}


def test_importances_are_the_same_each_time() -> None:
    records = [record(i, p, loss=conditional_loss(p)) for i, p in enumerate(drawn(CONDITIONAL, 30))]
    assert importances(CONDITIONAL, records, LOSS) == importances(CONDITIONAL, list(records), LOSS)


def test_divergence_counts_as_the_worst_completed_value() -> None:
    asked = drawn(LINE, 60)
    records = [
        record(i, p, State.DIVERGED) if float(p["lr"]) > 1e-3 else record(i, p, loss=1.0 + 0.01 * float(p["dull"]))
        for i, p in enumerate(asked)
    ]
    records[0] = record(0, {"lr": 1e-6, "dull": 0.5, "fixed": 3}, loss=3.0)
    assert importances(LINE, records, LOSS)["lr"] > 0.5


@pytest.mark.parametrize(
    ("space", "records", "objective", "reason"),
    [
        (Space((), {"lr": Fixed(0.1)}), [], LOSS, "no parameter was searched"),
        (LINE, [], LOSS, "at least 10 completed or diverged trials, got 0"),
        (LINE, [(State.COMPLETED, {"loss": 1.0})] * 9 + [(State.PRUNED, {})] * 9, LOSS, "at least 10 .* got 9"),
        (LINE, [(State.DIVERGED, {})] * 20, LOSS, "got 0"),
        (LINE, [(State.COMPLETED, {"loss": 1.0})] * 12, LOSS, "every trial has the same loss"),
        (LINE, [(State.COMPLETED, {"loss": 1.0})] * 12, ACCURACY, "got 0"),
    ],
)
def test_too_little_to_say_is_said(
    space: Space, records: list[tuple[State, dict[str, float]]], objective: Objective, reason: str
) -> None:
    made = [record(i, p, s, **v) for i, ((s, v), p) in enumerate(zip(records, drawn(LINE, len(records)), strict=True))]
    assert importances(space, made, objective) == {}
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(unmeasurable(space, made, objective))
