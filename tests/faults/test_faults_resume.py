"""A sweep whose driver dies again and again, with files damaged in between, comes to what an undisturbed one does."""

from __future__ import annotations

import random
from contextlib import closing

import pytest
from at_once import write_at_once
from study_fakes import Climber, Diary, ListLedger, make_sweep

from tuner.execution.inline import InlineExecutor
from tuner.study import Budget, Study
from tuner.training import Checkpoints, Engine
from tuner.training.checkpoint import folder_of
from tuner.trial import STATE_GONE, Finished, Lost, Objective, Paused, Point, Proposed, Reported, TrainingPlan, curve_of
from tuner.upkeep import Upkeep
from tuner.workloads import load

TRIALS, STEPS, EVERY = 6, 16, 2
PLAN = TrainingPlan(objectives=(Objective(metric="loss", direction="minimize"),), evaluate_every=EVERY)
COOLDOWNS = (0.0, 0.25, 0.5, 0.6, 0.8, 0.9)


class Killed(BaseException):
    pass


class Trunk:
    """Configurations that agree for some steps, and then do not."""

    def ask(self):
        asked = super().ask()
        return asked and {
            "optimizer": "adam",
            "adam.lr": 0.02,
            "schedule": "constant",
            "constant.cooldown": COOLDOWNS[(self.asked - 1) % len(COOLDOWNS)],
        }


class Straight(Trunk, Diary):
    pass


class Climbing(Trunk, Climber):
    """Trials pause half way; the even ones go on."""

    def __init__(self):
        super().__init__(chosen={0, 2, 4})

    def pause_step(self, trial):
        return None if self.height.get(trial) else STEPS // 2


class Mortal(InlineExecutor):
    def __init__(self, engine, polls, warn):
        super().__init__(engine, warn)
        self.polls = polls

    def poll(self, timeout):
        self.polls -= 1
        if self.polls == 0:
            raise Killed
        return super().poll(0.0)  # one step


def drive(output, ledger, sampler, *, polls=-1, slots=2, share=False, said=None):
    """One life of a driver; whether it came to the end of the sweep."""
    history = list(ledger.events)
    upkeep = Upkeep(folder_of(output, "s-1"), history)
    engine = Engine(
        load("noisy-quadratic"), PLAN, slots=slots, form="looped", share_prefixes=share,
        checkpoints=Checkpoints(every=0.0, output=str(output)),
    )  # fmt: skip
    with closing(Mortal(engine, polls, (said if said is not None else []).append)) as executor:
        study = Study(
            make_sweep(), sampler=sampler, executor=executor, ledger=ledger, sink=upkeep,
            budget=Budget(steps=STEPS, trials=TRIALS), history=history,
        )  # fmt: skip
        try:
            study.run()
        except Killed:
            return False
    upkeep.end()
    return True


def story(events):
    """Each trial's curve as the ledger joins it, and its outcome."""
    found = {}
    for trial in range(TRIALS):
        attempts = [e for e in events if isinstance(e, Proposed) and e.trial == trial]
        points = [e for e in events if isinstance(e, Reported) and e.trial == trial]
        curve = curve_of(
            (
                a.spec.resume_step,
                [Point(step=p.step, at=0.0, metrics=p.metrics) for p in points if p.attempt == a.attempt],
            )
            for a in attempts
        )
        (end,) = [e for e in events if isinstance(e, Finished) and e.trial == trial]
        found[trial] = [(p.step, dict(p.metrics)) for p in curve], (end.outcome, end.step, dict(end.values))
    return found


@pytest.fixture
def places(tmp_path, monkeypatch):
    write_at_once(monkeypatch)
    return tmp_path / "undisturbed", tmp_path / "disturbed"


CASES = [
    (sampler, slots, share, seed)
    for sampler in (Straight, Climbing)
    for slots, share in ((1, False), (3, False), (2, True))
    for seed in range(2)
]


@pytest.mark.parametrize(("sampler", "slots", "share", "seed"), CASES)
def test_a_driver_that_dies_again_and_again_changes_no_result(places, sampler, slots, share, seed):
    quiet, loud = places
    whole = ListLedger()
    assert drive(quiet, whole, sampler(), slots=slots, share=share)
    chance, ledger, lives = random.Random(repr((sampler, slots, share, seed))), ListLedger(), 0  # noqa: S311 - no secret
    while not drive(loud, ledger, sampler(), polls=chance.randrange(2, 16), slots=slots, share=share):
        lives += 1
    assert lives >= 2
    assert story(ledger.events) == story(whole.events)
    assert not folder_of(loud, "s-1").exists()
    lost = [e for e in ledger.events if isinstance(e, Lost)]
    assert all(e.reason == STATE_GONE for e in lost)
    if not share:
        assert not lost or sampler is Climbing  # whose states may come to disk in the moment in which the driver dies
        before = {}
        for event in ledger.events:
            if isinstance(event, Reported | Paused):
                before[event.trial] = event.step
            if isinstance(event, Proposed):
                assert (
                    event.spec.resume_step >= before.get(event.trial, 0) - 1
                )  # a checkpoint is told with the next step


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_cost_steps_and_change_no_result(places, seed):
    quiet, loud = places
    whole = ListLedger()
    assert drive(quiet, whole, Straight())
    chance, ledger, said = random.Random(seed), ListLedger(), []  # noqa: S311 - no secret
    while not drive(loud, ledger, Straight(), polls=chance.randrange(10, 25), said=said):
        for file in sorted(folder_of(loud, "s-1").iterdir()):
            data = bytearray(file.read_bytes())
            fate = chance.random()
            if fate < 0.4:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            elif fate < 0.7:
                del data[chance.randrange(len(data)) :]
            file.write_bytes(data)
    assert story(ledger.events) == story(whole.events)
    assert [e for e in ledger.events if isinstance(e, Lost)]
    assert said
    assert all("damaged" in message for message in said)


def test_only_files_that_matter_are_kept(places):
    _, output = places
    ledger = ListLedger()
    assert not drive(output, ledger, Straight(), polls=20, slots=3)
    assert len(list(folder_of(output, "s-1").iterdir())) <= 3  # the two newest, and one that was not told of in time
    assert not drive(output, ledger, Straight(), polls=4, slots=3)
    assert len(list(folder_of(output, "s-1").iterdir())) <= 3
