"""The loop against fakes: an executor that a test scripts, a ledger that is a list, a sampler that keeps a diary."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from tuner.errors import StoreError, WorkloadError
from tuner.study import INTERRUPTED, MAX_LOSSES, Budget, Study
from tuner.trial import (
    Decision,
    Finished,
    Lost,
    Objective,
    Proposed,
    Reported,
    Started,
    State,
    Sweep,
)

STEPS = 3


def make_sweep(repeats=1):
    return Sweep(
        id="s-1", name="s", spec={}, spec_text="", environment={}, seed=1, repeats=repeats, created_at=0.0,
        objectives=(Objective(metric="loss", direction="minimize"),),
    )  # fmt: skip


class Diary:
    """A sampler that writes down what it sees and stops the trials it is told to."""

    def __init__(self, configurations=None, stop=()):
        self.left, self.stop, self.asked, self.seen, self.replayed = configurations, set(stop), 0, [], []

    def ask(self):
        if self.left is not None and self.asked >= self.left:
            return None
        self.asked += 1
        return {"optimizer": "sgd", "sgd.lr": float(self.asked)}

    def observe(self, event):
        self.seen.append(event)
        return Decision.STOP if isinstance(event, Reported) and event.trial in self.stop else Decision.CONTINUE

    def replay(self, events):
        self.replayed = list(events)
        self.asked = len({e.trial for e in self.replayed if isinstance(e, Proposed)})


class Stepper:
    """An executor that moves every running trial by one step a poll; ``fate`` says what each attempt does instead."""

    def __init__(self, slots=2, fate=None):
        self.slots, self.fate, self.running, self.submitted = slots, fate or (lambda trial: None), {}, []
        self.events, self.stopped, self.most = [], [], 0

    def free(self):
        return self.slots - len(self.running)

    def submit(self, trials):
        assert len(trials) <= self.free()
        for trial in trials:
            self.submitted.append(trial)
            self.running[trial.index] = [trial, 0]
            self.events.append(Started(trial=trial.index, attempt=trial.attempt, at=0.0, worker="w"))
        self.most = max(self.most, len(self.running))

    def poll(self, timeout):
        events, self.events = self.events, []
        for index, slot in list(self.running.items()):
            trial, _ = slot
            slot[1] += 1
            key = {"trial": index, "attempt": trial.attempt, "at": 0.0}
            fate = self.fate(trial)
            if index in self.stopped:
                events.append(Finished(**key, step=slot[1] - 1, outcome=State.PRUNED))
            elif fate == "lost":
                events.append(Lost(**key, reason="worker died"))
            elif fate == "failed":
                events.append(Finished(**key, step=0, outcome=State.FAILED, note="ValueError: boom"))
            else:
                events.append(Reported(**key, step=slot[1], metrics={"loss": 1.0}))
                if slot[1] < STEPS:
                    continue
                events.append(Finished(**key, step=STEPS, outcome=State.COMPLETED, values={"loss": 1.0}))
            del self.running[index]
        return events

    def stop(self, trial):
        self.stopped.append(trial)

    def close(self):
        pass


class ListLedger:
    def __init__(self, room=10**9):
        self.events, self.room = [], room

    def append(self, sweep, events):
        if len(self.events) + len(events) > self.room:
            raise StoreError("the disk is full")
        self.events += events


class ListSink:
    def __init__(self):
        self.events = []

    def write(self, events):
        self.events += events


def make_study(
    *, sampler=None, executor=None, ledger=None, history=(), repeats=1, trials=6, wall_time=None, clock=None
):
    parts = {
        "sampler": sampler or Diary(),
        "executor": executor or Stepper(),
        "ledger": ledger or ListLedger(),
        "sink": ListSink(),
    }
    budget = Budget(steps=STEPS, trials=trials, wall_time=wall_time)
    ticks = itertools.count()
    study = Study(
        make_sweep(repeats), **parts, budget=budget, history=history, clock=clock or (lambda: float(next(ticks)))
    )
    return study, parts


def outcomes(ledger):
    return {e.trial: e.outcome for e in ledger.events if isinstance(e, Finished)}


@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize("repeats", [1, 3])
def test_every_trial_gets_one_outcome_and_slots_are_never_exceeded(slots, repeats):
    study, parts = make_study(executor=Stepper(slots), repeats=repeats)
    summary = study.run()
    assert summary.status == "done"
    assert summary.outcomes == Counter({State.COMPLETED: 6})
    assert summary.steps == 6 * STEPS
    finished = [e.trial for e in parts["ledger"].events if isinstance(e, Finished)]
    assert sorted(finished) == list(range(6))
    assert parts["sampler"].asked == 6 // repeats
    assert parts["executor"].most <= slots


def test_the_sampler_and_the_sink_see_exactly_what_the_ledger_holds_in_its_order():
    study, parts = make_study()
    study.run()
    assert parts["sampler"].seen == parts["ledger"].events == parts["sink"].events


def test_nothing_reaches_the_sampler_that_could_not_be_recorded():
    study, parts = make_study(ledger=ListLedger(room=9))
    with pytest.raises(StoreError, match="disk is full"):
        study.run()
    assert parts["sampler"].seen == parts["ledger"].events
    assert len(parts["ledger"].events) > 0


def test_repeats_share_the_configuration_and_differ_in_seed_which_every_configuration_shares():
    study, parts = make_study(repeats=3)
    study.run()
    specs = [e.spec for e in parts["ledger"].events if isinstance(e, Proposed)]
    for first in range(0, 6, 3):
        group = specs[first : first + 3]
        assert len({s.params["sgd.lr"] for s in group}) == 1
        assert [s.seed for s in group] == [s.seed for s in specs[:3]]
    assert len({s.seed for s in specs}) == 3


def test_a_stop_from_the_sampler_prunes_that_trial_only():
    study, parts = make_study(sampler=Diary(stop={1}))
    summary = study.run()
    assert summary.outcomes == Counter({State.COMPLETED: 5, State.PRUNED: 1})
    assert outcomes(parts["ledger"])[1] is State.PRUNED


def test_a_sampler_with_nothing_left_ends_the_sweep():
    study, _ = make_study(sampler=Diary(configurations=4), trials=None)
    assert study.run().outcomes == Counter({State.COMPLETED: 4})


def test_a_lost_attempt_is_queued_again_and_completes():
    study, parts = make_study(executor=Stepper(fate=lambda t: "lost" if t.index == 2 and t.attempt == 0 else None))
    assert study.run().outcomes == Counter({State.COMPLETED: 6})
    attempts = [(e.trial, e.attempt) for e in parts["ledger"].events if isinstance(e, Proposed)]
    assert (2, 1) in attempts
    assert len(attempts) == 7


def test_a_trial_that_always_takes_its_worker_down_fails_after_a_limit():
    study, parts = make_study(executor=Stepper(fate=lambda t: "lost" if t.index == 2 else None))
    assert study.run().outcomes == Counter({State.COMPLETED: 5, State.FAILED: 1})
    assert sum(isinstance(e, Lost) for e in parts["ledger"].events) == MAX_LOSSES - 1
    note = next(e.note for e in parts["ledger"].events if isinstance(e, Finished) and e.trial == 2)
    assert "worker died" in note


def test_a_sweep_whose_trials_all_fail_stops_and_says_why():
    study, _ = make_study(executor=Stepper(fate=lambda t: "failed"), trials=100)
    with pytest.raises(WorkloadError, match="boom"):
        study.run()


def test_some_failures_do_not_stop_a_sweep():
    study, _ = make_study(executor=Stepper(fate=lambda t: "failed" if t.index else None), trials=20)
    assert study.run().outcomes == Counter({State.FAILED: 19, State.COMPLETED: 1})


@pytest.mark.parametrize("polls", range(8))
@pytest.mark.parametrize("repeats", [1, 3])
def test_interrupted_anywhere_then_resumed_counts_every_trial_once(polls, repeats):
    ledger, countdown = ListLedger(), itertools.count()
    study, _ = make_study(ledger=ledger, repeats=repeats)
    summary = study.run(interrupted=lambda: next(countdown) >= polls)
    assert summary.status == INTERRUPTED
    history = list(ledger.events)
    resumed, parts = make_study(ledger=ledger, history=history, repeats=repeats)
    assert resumed.run().outcomes == Counter({State.COMPLETED: 6})
    assert parts["sampler"].replayed == history
    finished = [e.trial for e in ledger.events if isinstance(e, Finished)]
    assert sorted(finished) == list(range(6))
    proposed = [(e.trial, e.attempt) for e in ledger.events if isinstance(e, Proposed)]
    assert len(proposed) == len(set(proposed))


def test_resuming_a_finished_sweep_does_nothing():
    study, parts = make_study()
    study.run()
    resumed, again = make_study(history=parts["ledger"].events)
    assert resumed.run().outcomes == Counter({State.COMPLETED: 6})
    assert again["ledger"].events == []


def test_interruptions_are_not_losses():
    ledger = ListLedger()
    for _ in range(MAX_LOSSES + 2):
        countdown = itertools.count()
        study, _ = make_study(ledger=ledger, history=list(ledger.events))
        study.run(interrupted=lambda countdown=countdown: next(countdown) >= 1)
    study, _ = make_study(ledger=ledger, history=list(ledger.events), executor=Stepper(
        fate=lambda t: "lost" if t.attempt == MAX_LOSSES + 2 else None))  # fmt: skip
    assert study.run().outcomes == Counter({State.COMPLETED: 6})


def test_wall_time_stops_running_trials_and_says_that_they_were_not_judged():
    now = [0.0]

    def clock():
        now[0] += 1.0
        return now[0]

    study, parts = make_study(trials=None, wall_time=30.0, clock=clock)
    summary = study.run()
    assert summary.status == "done"
    cut = [e for e in parts["ledger"].events if isinstance(e, Finished) and e.outcome is State.PRUNED]
    assert cut
    assert all("wall time" in e.note for e in cut)
    proposed = {e.trial for e in parts["ledger"].events if isinstance(e, Proposed)}
    assert proposed == set(outcomes(parts["ledger"]))


def test_late_words_of_an_attempt_that_was_given_up_are_ignored():
    class Haunted(Stepper):
        def poll(self, timeout):
            events = list(super().poll(timeout))
            ghosts = [
                Finished(
                    trial=e.trial, attempt=e.attempt, at=0.0, step=1, outcome=State.COMPLETED, values={"loss": 0.0}
                )
                for e in events
                if isinstance(e, Lost)
            ]
            return [*events, *ghosts]

    study, parts = make_study(executor=Haunted(fate=lambda t: "lost" if t.index == 2 and t.attempt == 0 else None))
    assert study.run().outcomes == Counter({State.COMPLETED: 6})
    assert len([e for e in parts["ledger"].events if isinstance(e, Finished) and e.trial == 2]) == 1
