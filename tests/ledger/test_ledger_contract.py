"""What every ledger promises, whatever database is below: written against the interface alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import pytest

from tuner.errors import ConflictError, StoreError, UnknownNameError
from tuner.trial import Checkpointed, Event, Finished, Lost, Paused, Reported, Started, State

# One message of every kind that a worker's attempt 0 may send.
MESSAGES: list[Event] = [
    Started(trial=0, attempt=0, at=2.0, worker="gpu-0"),
    Reported(trial=0, attempt=0, at=3.0, step=5, metrics={"loss": 0.25, "accuracy": 0.5}),
    Checkpointed(trial=0, attempt=0, at=4.0, step=5, path="runs/0/5"),
    Lost(trial=0, attempt=0, at=5.0, reason="worker died"),
    Finished(trial=0, attempt=0, at=6.0, step=5, outcome=State.FAILED, values={"loss": 0.25}, note="traceback"),
]
OTHER = {
    "at": 99.0,
    "worker": "gpu-1",
    "metrics": {"loss": 0.5},
    "path": "elsewhere",
    "outcome": State.COMPLETED,
    "values": {},
    "note": "",
    "step": 6,
}
PLACE = {Reported: ("trial", "attempt", "step"), Checkpointed: ("trial", "attempt", "step")}


def contradictions(event: Event) -> list[Event]:
    """The event with each fact that is not its place changed."""
    place = PLACE.get(type(event), ("trial", "attempt"))
    return [replace(event, **{f.name: OTHER[f.name]}) for f in fields(event) if f.name not in place]


CONTRADICTIONS = [(e, other) for e in MESSAGES if not isinstance(e, Lost) for other in contradictions(e)]


def kind(value: object) -> str | None:
    return type(value).__name__ if hasattr(value, "attempt") else None


# ---------------------------------------------------------------- exactly once


@pytest.mark.parametrize("event", MESSAGES, ids=kind)
def test_a_repeated_event_changes_nothing(ledger, make, event):
    sweep = make.sweep(ledger).id
    history = [make.proposed(sweep, 0), event]
    ledger.append(sweep, history)
    ledger.append(sweep, history)
    ledger.append(sweep, [event, event])
    assert list(ledger.events(sweep)) == history


@pytest.mark.parametrize("event", MESSAGES, ids=kind)
def test_a_repeat_within_one_batch_changes_nothing(ledger, make, event):
    sweep = make.sweep(ledger).id
    ledger.append(sweep, [make.proposed(sweep, 0), make.proposed(sweep, 0), event, event])
    assert list(ledger.events(sweep)) == [make.proposed(sweep, 0), event]


@pytest.mark.parametrize("one_batch", [False, True])
@pytest.mark.parametrize(("event", "other"), CONTRADICTIONS, ids=kind)
def test_a_contradiction_is_a_conflict_and_nothing_of_its_batch_is_written(ledger, make, event, other, one_batch):
    sweep = make.sweep(ledger).id
    ledger.append(sweep, [make.proposed(sweep, 0), event][: 1 if one_batch else 2])
    before = list(ledger.events(sweep))
    with pytest.raises(ConflictError, match=rf"{sweep}, trial 0"):
        ledger.append(sweep, [make.proposed(sweep, 1), *([event] if one_batch else []), other])
    assert list(ledger.events(sweep)) == before
    ledger.append(sweep, make.history(sweep, 1))
    assert list(ledger.events(sweep)) == [*before, *make.history(sweep, 1)]


@pytest.mark.parametrize("attempt", [0, 1])
@pytest.mark.parametrize("change", [{"params": {"optimizer": "sgd"}}, {"seed": 1}, {"total_steps": 1}], ids=str)
def test_no_attempt_may_change_what_the_trial_is(ledger, make, change, attempt):
    sweep = make.sweep(ledger).id
    ledger.append(sweep, [make.proposed(sweep, 0)])
    with pytest.raises(ConflictError, match=f"trial 0.*{next(iter(change))}"):
        ledger.append(sweep, [make.proposed(sweep, 0, attempt, **change)])
    assert list(ledger.events(sweep)) == [make.proposed(sweep, 0)]


def test_an_attempt_goes_on_from_one_step(ledger, make):
    sweep = make.sweep(ledger).id
    history = [make.proposed(sweep, 0), make.proposed(sweep, 0, 1, resume_step=10)]
    ledger.append(sweep, history)
    with pytest.raises(ConflictError, match=r"resume_step=10.*resume_step=20"):
        ledger.append(sweep, [make.proposed(sweep, 0, 1, resume_step=20)])
    assert list(ledger.events(sweep)) == history


def test_a_paused_trial_goes_on_as_its_next_attempt_and_its_curve_with_it(ledger, make):
    sweep = make.sweep(ledger).id
    proposed, started, first, *_ = make.history(sweep, 0)
    paused = Paused(trial=0, attempt=0, at=12.5, step=50, values={"accuracy": 0.5})
    ledger.append(sweep, [proposed, started, first, paused])
    record = ledger.trial(sweep, 0)
    assert (record.state, record.step, record.values, record.finished_at) == (State.PAUSED, 50, {"accuracy": 0.5}, None)
    late = Reported(trial=0, attempt=0, at=12.6, step=100, metrics={"accuracy": 0.9})
    ledger.append(sweep, [paused, late])  # the attempt is over
    assert [point.step for point in ledger.trial(sweep, 0).curve] == [50]

    ledger.append(sweep, [make.proposed(sweep, 0, 1, resume_step=50)])
    record = ledger.trial(sweep, 0)
    assert (record.state, record.step, [p.step for p in record.curve]) == (State.WAITING, 50, [50])
    ledger.append(sweep, [Reported(trial=0, attempt=1, at=14.0, step=100, metrics={"accuracy": 1.0})])
    assert [(p.step, p.metrics["accuracy"]) for p in ledger.trial(sweep, 0).curve] == [(50, 0.5), (100, 1.0)]

    ledger.append(sweep, [make.proposed(sweep, 0, 2)])  # its state is gone: from the first step
    assert ledger.trial(sweep, 0).curve == ()


def test_a_paused_trial_may_get_its_outcome_and_then_no_other(ledger, make):
    sweep = make.sweep(ledger).id
    paused = Paused(trial=0, attempt=0, at=12.5, step=50, values={"accuracy": 0.5})
    end = Finished(trial=0, attempt=0, at=12.5, step=50, outcome=State.PRUNED, values={"accuracy": 0.5})
    ledger.append(sweep, [*make.history(sweep, 0)[:3], paused, end])
    ledger.append(sweep, [paused, end])
    assert ledger.trial(sweep, 0).state is State.PRUNED
    with pytest.raises(ConflictError):
        ledger.append(sweep, [replace(end, step=51)])


def test_the_state_of_a_trial_that_paused_may_come_to_disk_late_and_not_after_it_has_gone_on(ledger, make):
    sweep = make.sweep(ledger).id
    history = [*make.history(sweep, 0)[:3], Paused(trial=0, attempt=0, at=12.5, step=50, values={})]
    saved = Checkpointed(trial=0, attempt=0, at=12.6, step=50, path="p")
    ledger.append(sweep, history)
    ledger.append(sweep, [saved])
    assert list(ledger.events(sweep)) == [*history, saved]
    assert ledger.trial(sweep, 0).state is State.PAUSED
    again = make.proposed(sweep, 0, 1, resume_step=50)
    ledger.append(sweep, [again, replace(saved, step=49)])
    assert list(ledger.events(sweep)) == [*history, saved, again]


NEW_MESSAGES = [
    Reported(trial=0, attempt=0, at=7.0, step=101, metrics={}),
    Checkpointed(trial=0, attempt=0, at=7.0, step=101, path=""),
    Lost(trial=0, attempt=0, at=7.0, reason=""),
]


@pytest.mark.parametrize("event", NEW_MESSAGES, ids=kind)
def test_nothing_new_follows_an_outcome(ledger, make, event):
    sweep = make.sweep(ledger).id
    ledger.append(sweep, make.history(sweep, 0))
    for new in (event, make.proposed(sweep, 0, 1)):
        with pytest.raises(ConflictError, match="the trial has ended"):
            ledger.append(sweep, [new])
    ledger.append(sweep, make.history(sweep, 0))
    assert list(ledger.events(sweep)) == make.history(sweep, 0)


@pytest.mark.parametrize("event", NEW_MESSAGES, ids=kind)
def test_nothing_new_follows_an_outcome_within_its_batch(ledger, make, event):
    sweep = make.sweep(ledger).id
    with pytest.raises(ConflictError, match="the trial has ended"):
        ledger.append(sweep, [*make.history(sweep, 0), event])
    assert list(ledger.events(sweep)) == []


@pytest.mark.parametrize("late", MESSAGES + NEW_MESSAGES, ids=kind)
@pytest.mark.parametrize("over", ["lost", "superseded"])
def test_what_an_attempt_sends_after_it_is_over_is_dropped(ledger, make, late, over):
    sweep = make.sweep(ledger).id
    end = Lost(trial=0, attempt=0, at=3.0, reason="silent") if over == "lost" else make.proposed(sweep, 0, 1)
    history = [make.proposed(sweep, 0), end]
    ledger.append(sweep, history)
    ledger.append(sweep, [late])
    ledger.append(sweep, [*history, late])
    assert list(ledger.events(sweep)) == history
    assert ledger.trial(sweep, 0).state is State.WAITING


def test_a_late_message_within_the_batch_that_ends_its_attempt_is_dropped(ledger, make):
    sweep = make.sweep(ledger).id
    lost = Lost(trial=0, attempt=0, at=3.0, reason="silent")
    ledger.append(sweep, [make.proposed(sweep, 0), lost, *MESSAGES, make.proposed(sweep, 0, 1), *MESSAGES])
    assert list(ledger.events(sweep)) == [make.proposed(sweep, 0), lost, make.proposed(sweep, 0, 1)]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("event", MESSAGES, ids=kind)
def test_an_attempt_must_be_proposed_before_anything_else(ledger, make, event):
    sweep = make.sweep(ledger).id
    with pytest.raises(StoreError, match=rf"{sweep}, trial 0, attempt 0: {type(event).__name__} before"):
        ledger.append(sweep, [make.proposed(sweep, 1), event])
    ledger.append(sweep, [make.proposed(sweep, 0)])
    with pytest.raises(StoreError, match=r"trial 0, attempt 1: .* before"):
        ledger.append(sweep, [replace(event, attempt=1)])
    assert list(ledger.events(sweep)) == [make.proposed(sweep, 0)]


def test_proposals_are_of_this_sweep_and_attempts_have_no_gaps(ledger, make):
    sweep = make.sweep(ledger).id
    with pytest.raises(StoreError, match="attempt 1: proposed before attempt 0"):
        ledger.append(sweep, [make.proposed(sweep, 0, 1)])
    with pytest.raises(StoreError, match="proposal is one of sweep 'other-1'"):
        ledger.append(sweep, [make.proposed("other-1", 0)])
    assert list(ledger.events(sweep)) == []


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(ledger, make, number):
    sweep = make.sweep(ledger).id
    ledger.append(sweep, [make.proposed(sweep, 0)])
    for event in (
        Reported(trial=0, attempt=0, at=3.0, step=40, metrics={"loss": 1.0, "accuracy": number}),
        Finished(trial=0, attempt=0, at=3.0, step=40, outcome=State.COMPLETED, values={"accuracy": number}),
    ):
        with pytest.raises(StoreError, match=rf"trial 0, step 40: accuracy must be finite, got {number}.*diverged"):
            ledger.append(sweep, [make.proposed(sweep, 1), event])
    with pytest.raises(StoreError, match="not JSON compliant"):
        ledger.append(sweep, [make.proposed(sweep, 1, params={"lr": number})])
    assert list(ledger.events(sweep)) == [make.proposed(sweep, 0)]


def test_a_number_beyond_64_bits_is_refused_where_no_column_holds_it(ledger, make):
    sweep = make.sweep(ledger).id
    with pytest.raises(StoreError, match="64 bits"):
        ledger.append(sweep, [make.proposed(sweep, 0, seed=2**64)])
    assert list(ledger.events(sweep)) == []


@pytest.mark.parametrize("state", [State.WAITING, State.RUNNING])
def test_an_outcome_is_an_outcome(ledger, make, state):
    sweep = make.sweep(ledger).id
    ledger.append(sweep, [make.proposed(sweep, 0)])
    with pytest.raises(StoreError):
        ledger.append(sweep, [Finished(trial=0, attempt=0, at=1.0, step=1, outcome=state)])
    assert ledger.trial(sweep, 0).state is State.WAITING


@pytest.mark.parametrize(
    "use",
    [
        lambda ledger, sweep: ledger.load(sweep),
        lambda ledger, sweep: ledger.trials(sweep),
        lambda ledger, sweep: ledger.trial(sweep, 0),
        lambda ledger, sweep: list(ledger.events(sweep)),
        lambda ledger, sweep: ledger.set_status(sweep, "done", 1.0),
        lambda ledger, sweep: ledger.append(sweep, [Lost(trial=0, attempt=0, at=1.0, reason="")]),
    ],
    ids=["load", "trials", "trial", "events", "set_status", "append"],
)
def test_an_unknown_sweep_is_named_with_its_nearest(ledger, make, use):
    known = make.sweep(ledger, "curves").id
    with pytest.raises(UnknownNameError, match=rf"unknown sweep 'x{known}'; did you mean '{known}'"):
        use(ledger, f"x{known}")


def test_an_unknown_trial_is_named(ledger, make):
    sweep = make.sweep(ledger).id
    ledger.append(sweep, [make.proposed(sweep, i) for i in range(3)])
    with pytest.raises(UnknownNameError, match=f"unknown trial of {sweep} '3'; known: 0 to 2"):
        ledger.trial(sweep, 3)


# ---------------------------------------------------------------- sweeps


def test_a_sweep_comes_back_as_it_was_created(ledger, make):
    created = make.sweep(ledger, "round-trip")
    assert created == ledger.load(created.id)
    assert (created.id, created.seed, created.repeats, created.created_at) == ("round-trip-1", 2**63 - 1, 3, 1.5)
    assert created.spec == {"workload": "digits", "budget": {"trials": 3}}
    assert created.spec_text == "name: digits\n"
    assert created.environment == {"torch": "2.13", "cores": 2}
    assert created.objectives == (make.accuracy, make.loss)


def test_sweeps_of_one_name_are_numbered_without_a_race(ledger, make):
    with ThreadPoolExecutor(8) as pool:
        ids = pool.map(lambda _: make.sweep(ledger, "race").id, range(24))
    assert sorted(ids) == sorted(f"race-{n}" for n in range(1, 25))


def test_load_takes_an_id_a_name_or_the_beginning_of_one_name(ledger, make):
    first, second = make.sweep(ledger, "mnist"), make.sweep(ledger, "mnist")
    longer = make.sweep(ledger, "mnist-1")
    assert ledger.load("mnist-2") == ledger.load("mnist") == second
    assert ledger.load("mnist-1") == first  # an id goes before a name
    assert ledger.load("mnist-1-1") == ledger.load("mnist-") == longer
    for text, offered in (("mni", "mnist-2, mnist-1-1"), ("mnist-3", "mnist-2")):  # two names begin so; none does
        with pytest.raises(UnknownNameError, match=rf"unknown sweep '{text}'.*known: .*{offered}"):
            ledger.load(text)


def test_a_summary_counts_states_and_finds_the_best_completed_value(ledger, make):
    sweep = make.sweep(ledger, "summary").id
    ended = [replace(e, values={"accuracy": 0.99}, outcome=State.PRUNED) for e in make.history(sweep, 4)[-1:]]
    lost = Lost(trial=6, attempt=0, at=9.0, reason="silent")
    ledger.append(sweep, make.history(sweep, 0, accuracy=0.25) + make.history(sweep, 1, accuracy=0.75))
    ledger.append(sweep, [*make.history(sweep, 4)[:-1], *ended, *make.history(sweep, 5)[:2]])
    ledger.append(sweep, [make.proposed(sweep, 2), *make.history(sweep, 6)[:2], lost, make.proposed(sweep, 3)])
    ledger.append(sweep, [make.proposed(sweep, 3, 1), Started(trial=3, attempt=1, at=20.0, worker="")])
    summary = next(s for s in ledger.sweeps() if s.id == sweep)
    assert (summary.name, summary.workload, summary.status) == ("summary", "digits", "interrupted")
    assert (summary.created_at, summary.updated_at) == (1.5, 20.0)
    assert summary.objectives == (make.accuracy, make.loss)
    assert summary.best == {"accuracy": 0.75}
    assert {s: n for s, n in summary.counts.items() if n} == {
        State.COMPLETED: 2,
        State.PRUNED: 1,
        State.RUNNING: 2,
        State.WAITING: 2,
    }
    assert set(summary.counts) == set(State)
    assert (summary.ended, summary.budget) == (3, 3)
    assert ledger.summary(sweep) == summary


@pytest.mark.parametrize("status", ["done", "interrupted", "failed", "running"])
def test_a_status_is_kept_with_its_time(ledger, make, status):
    sweep = make.sweep(ledger).id
    other = make.sweep(ledger).id
    with ledger.lease(sweep), ledger.lease(other):
        ledger.set_status(sweep, status, 77.0)
        found = {s.id: s for s in ledger.sweeps()}
    assert (found[sweep].status, found[sweep].updated_at) == (status, 77.0)
    assert (found[other].status, found[other].updated_at) == ("running", 1.5)


def test_an_unknown_status_is_refused(ledger, make):
    sweep = make.sweep(ledger).id
    with ledger.lease(sweep):
        with pytest.raises(StoreError):
            ledger.set_status(sweep, "paused", 77.0)
        assert ledger.summary(sweep).status == "running"


# ---------------------------------------------------------------- use


def test_events_can_be_appended_while_others_are_read(ledger, make, monkeypatch):
    monkeypatch.setattr("tuner.ledger.history.PAGE", 3)
    sweep = make.sweep(ledger).id
    history = [event for trial in range(4) for event in make.history(sweep, trial)]
    ledger.append(sweep, history)
    seen = []
    for event in ledger.events(sweep):
        ledger.append(sweep, make.history(sweep, 99))
        seen.append(event)
    assert seen[: len(history)] == history


def test_threads_append_to_one_sweep_in_turn(ledger, make):
    sweep = make.sweep(ledger).id
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda trial: ledger.append(sweep, make.history(sweep, trial)), range(20)))
    events = list(ledger.events(sweep))
    batches = [events[i : i + 5] for i in range(0, len(events), 5)]  # no batch is torn
    assert sorted(batch[0].trial for batch in batches) == list(range(20))
    assert all(batch == make.history(sweep, batch[0].trial) for batch in batches)


def test_appending_nothing_changes_nothing(ledger, make):
    sweep = make.sweep(ledger).id
    ledger.append(sweep, [])
    assert next(s for s in ledger.sweeps() if s.id == sweep).updated_at == 1.5
    assert ledger.trials(sweep) == []
    assert list(ledger.events(sweep)) == []
