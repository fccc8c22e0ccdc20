"""The Pareto front against its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from search_sweeps import ACCURACY, LOSS

from tuner.search import pareto_front
from tuner.trial import State, TrialRecord, TrialSpec

OBJECTIVES = (LOSS, ACCURACY)


def record(index: int, values: dict[str, float], state: State = State.COMPLETED) -> TrialRecord:
    return TrialRecord(
        spec=TrialSpec(sweep="s-1", index=index, params={}, seed=0, total_steps=10),
        state=state,
        values=values,
        step=10,
        proposed_at=0.0,
        started_at=0.0,
        finished_at=1.0,
        worker="w",
        note="",
    )


def dominates(a: TrialRecord, b: TrialRecord) -> bool:
    no_worse = all(not o.better(b.values[o.metric], a.values[o.metric]) for o in OBJECTIVES)
    return no_worse and any(o.better(a.values[o.metric], b.values[o.metric]) for o in OBJECTIVES)


few_values = st.tuples(st.integers(0, 4), st.integers(0, 4))  # small, so that ties happen


@given(st.lists(few_values | st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=25))
def test_the_front_is_what_nothing_dominates_in_the_given_order(rows: list[tuple[float, float]]) -> None:
    records = [record(i, {"loss": loss, "accuracy": accuracy}) for i, (loss, accuracy) in enumerate(rows)]
    assert pareto_front(records, OBJECTIVES) == [r for r in records if not any(dominates(s, r) for s in records)]


def test_a_difference_too_small_for_a_sum_still_counts() -> None:
    records = [record(0, {"loss": 1e6, "accuracy": 0.0}), record(1, {"loss": 1e6, "accuracy": 1e-20})]
    assert pareto_front(records, OBJECTIVES) == records[1:]


def test_only_completed_trials_with_every_value_count() -> None:
    good = {"loss": 0.0, "accuracy": 1.0}
    records = [record(0, good, State.PRUNED), record(1, {"loss": 0.0}), record(2, {"loss": 5.0, "accuracy": 0.1})]
    assert pareto_front(records, OBJECTIVES) == records[2:]
    assert pareto_front([], OBJECTIVES) == []
