"""What is lost goes on from the newest state there is; a state that is gone gives way to the one before."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import study_fakes
from study_fakes import Climber, Diary, ListLedger, ListSink, Stepper, make_sweep

from tuner.errors import StoreError
from tuner.standing import Standing
from tuner.states import KEPT, States
from tuner.study import Budget, Study
from tuner.trial import (
    INTERRUPTED,
    STATE_GONE,
    Checkpointed,
    Finished,
    Lost,
    Paused,
    Point,
    Proposed,
    Reported,
    Started,
    State,
    TrialSpec,
    curve_of,
)


class Writer(Stepper):
    """A Stepper that has each trial's state in a file after every step, and tells so with its next words.

    Files outlive it: they are given to the next one. Those of ``damaged`` (trial, step) cannot be read.
    """

    def __init__(self, slots=1, fate=None, files=None, damaged=()):
        super().__init__(slots, fate)
        self.files, self.damaged, self.news = {} if files is None else files, set(damaged), []

    def submit(self, trials):
        for trial in trials:
            where = trial.index, trial.resume_step
            if where in self.files and where not in self.damaged:
                self.kept[trial.index] = trial.resume_step
        super().submit(trials)

    def poll(self, timeout):
        events, self.news = [*super().poll(timeout), *self.news], []
        for event in events:
            if isinstance(event, Reported):
                path = f"{event.trial}-{event.step}"
                self.files[event.trial, event.step] = path
                self.news.append(
                    Checkpointed(trial=event.trial, attempt=event.attempt, at=0.0, step=event.step, path=path)
                )
        return events


@pytest.fixture(autouse=True)
def longer(monkeypatch):
    monkeypatch.setattr(study_fakes, "STEPS", 8)


def make_study(executor, *, ledger=None, history=(), sampler=None, trials=1):
    ledger = ledger or ListLedger()
    ticks = itertools.count()
    study = Study(
        make_sweep(), sampler=sampler or Diary(), executor=executor, ledger=ledger, sink=ListSink(),
        budget=Budget(steps=8, trials=trials), history=history, clock=lambda: float(next(ticks)),
    )  # fmt: skip
    return study, ledger


def starts_of(events, trial=0):
    return [e.spec.resume_step for e in events if isinstance(e, Proposed) and e.trial == trial]


def curve(events, trial=0):
    """The steps on a trial's curve, as the ledger joins its attempts."""
    attempts = [
        (e.spec.resume_step, [Point(step=r.step, at=0.0, metrics=r.metrics) for r in events
         if isinstance(r, Reported) and (r.trial, r.attempt) == (trial, e.attempt)])
        for e in events if isinstance(e, Proposed) and e.trial == trial
    ]  # fmt: skip
    return [point.step for point in curve_of(attempts)]


def lost_at(*steps):
    """A fate that strikes before these steps, once each."""
    left = list(steps)

    def fate(executor, trial):
        if left and executor.running[trial.index][1] == left[0]:
            left.pop(0)
            return "lost"
        return None

    return fate


class Doomed(Writer):
    def __init__(self, fate, **kwargs):
        super().__init__(fate=lambda trial: fate(self, trial), **kwargs)


def test_a_lost_worker_costs_what_came_after_the_last_checkpoint():
    study, ledger = make_study(Doomed(lost_at(6)))
    assert study.run().outcomes == Counter({State.COMPLETED: 1})
    assert starts_of(ledger.events) == [0, 4]  # 6 was never reported, and 5 came to disk too late
    assert curve(ledger.events) == list(range(1, 9))


def test_a_trial_that_gets_on_between_its_losses_is_none_that_fails():
    study, ledger = make_study(Doomed(lost_at(2, 3, 4, 5, 6, 7)))
    assert study.run().outcomes == Counter({State.COMPLETED: 1})
    assert starts_of(ledger.events) == [0, 0, 1, 2, 3, 4, 5]
    study, ledger = make_study(Doomed(lost_at(5, 4, 4)))  # where it was the last time, and no further
    assert study.run().outcomes == Counter({State.FAILED: 1})


def test_a_driver_that_died_is_followed_by_one_that_goes_on_from_files():
    files = {}
    for room in range(2, 17):
        ledger = ListLedger(room=room)
        study, _ = make_study(Writer(files=files), ledger=ledger)
        with pytest.raises(StoreError):
            study.run()
        ledger.room = 10**9
        newest = max((e.step for e in ledger.events if isinstance(e, Checkpointed)), default=0)
        started = any(isinstance(e, Started) for e in ledger.events)
        resumed, _ = make_study(Writer(files=files), ledger=ledger, history=list(ledger.events))
        assert resumed.run().outcomes == Counter({State.COMPLETED: 1})
        assert starts_of(ledger.events) == ([0, newest] if started else [0])
        assert curve(ledger.events) == list(range(1, 9))
        files.clear()


def test_a_damaged_file_gives_way_to_the_one_before_and_at_last_to_the_start():
    for damaged, expected in (({4}, [0, 4, 3]), ({3, 4}, [0, 4, 3, 0]), (set(), [0, 4])):
        executor = Doomed(lost_at(6), damaged={(0, step) for step in damaged})
        study, ledger = make_study(executor)
        assert study.run().outcomes == Counter({State.COMPLETED: 1})
        assert starts_of(ledger.events) == expected
        assert [e.reason for e in ledger.events if isinstance(e, Lost)][1:] == [STATE_GONE] * len(damaged)
        assert curve(ledger.events) == list(range(1, 9))


def test_a_trial_that_paused_goes_on_from_its_file_in_another_life():
    files = {}
    ledger = ListLedger()
    study, _ = make_study(Writer(files=files), ledger=ledger, sampler=Climber(), trials=3)
    answers = iter([False] * 3 + [True])
    assert study.run(lambda: next(answers)).status == "interrupted"
    assert set(Standing.after(ledger.events).paused) == {0, 1, 2}
    paths = [e.path for e in ledger.events if isinstance(e, Checkpointed)]
    assert paths == ["0-1", "1-1"]  # each came to disk after its pause
    resumed, _ = make_study(
        Writer(files=files), ledger=ledger, history=list(ledger.events), sampler=Climber(chosen={0}), trials=3
    )
    resumed.run()
    assert not [e for e in ledger.events if isinstance(e, Lost)]
    assert starts_of(ledger.events)[:3] == [0, 1, 2]


def test_nothing_is_learned_of_a_pause_that_is_over():
    study, ledger = make_study(Writer(), sampler=Climber(chosen={0}), trials=1)
    study.run()
    ended = next(i for i, e in enumerate(ledger.events) if isinstance(e, Finished))
    assert not [e for e in ledger.events[ended:] if isinstance(e, Checkpointed)]
    attempts = {e.attempt: i for i, e in enumerate(ledger.events) if isinstance(e, Proposed)}
    for index, event in enumerate(ledger.events):
        if isinstance(event, Checkpointed):
            assert index < attempts.get(event.attempt + 1, len(ledger.events))


# ---------------------------------------------------------------- the books


def proposed(attempt=0, resume_step=0):
    spec = TrialSpec(sweep="s-1", index=0, attempt=attempt, params={}, seed=0, total_steps=9, resume_step=resume_step)
    return Proposed(spec=spec, at=0.0)


def saved(step, attempt=0):
    return Checkpointed(trial=0, attempt=attempt, at=0.0, step=step, path=f"p{step}")


def gone(attempt):
    return Lost(trial=0, attempt=attempt, at=0.0, reason=STATE_GONE)


PAUSED = Paused(trial=0, attempt=0, at=0.0, step=7)
LOST = Lost(trial=0, attempt=0, at=0.0, reason="worker died")
LEFT = Lost(trial=0, attempt=0, at=0.0, reason=INTERRUPTED)
ENDED = Finished(trial=0, attempt=0, at=0.0, step=9, outcome=State.COMPLETED)


@pytest.mark.parametrize(
    ("events", "newest", "paths"),
    [
        ([proposed()], 0, set()),
        ([proposed(), saved(2), LOST], 2, {"p2"}),
        ([proposed(), saved(2), saved(3), saved(4)], 4, {"p3", "p4"}),
        ([proposed(), saved(2), PAUSED], 7, {"p2"}),
        ([proposed(), PAUSED, saved(7)], 7, {"p7"}),
        ([proposed(), saved(2), saved(3), LEFT, proposed(1, 3), gone(1)], 2, {"p2"}),
        ([proposed(), saved(2), saved(3), LEFT, proposed(1, 3), gone(1), gone(1)], 2, {"p2"}),
        ([proposed(), saved(2), PAUSED, proposed(1, 7), gone(1)], 2, {"p2"}),
        ([proposed(), saved(2), PAUSED, proposed(1, 7), gone(1), proposed(2, 2), gone(1)], 2, {"p2"}),
        ([proposed(), saved(2), PAUSED, proposed(1, 7), gone(1), proposed(2, 2), gone(2)], 0, set()),
        ([proposed(), PAUSED, proposed(1, 7), saved(8, 1), LOST], 8, {"p8"}),
        ([proposed(), saved(2), ENDED], 0, set()),
    ],
)
def test_the_books_know_the_newest_state_and_the_files_that_matter(events, newest, paths):
    states = States()
    for event in events:
        states.take(event)
        states.take(event)  # told twice, it says nothing new
    assert (states.newest(0), states.paths()) == (newest, paths)
    assert len(states.paths()) <= KEPT
