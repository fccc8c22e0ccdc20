"""An engine that dies and one that goes on from its files are together one that never died."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
import torch
from at_once import write_at_once
from test_training_pausing import Buffered
from training_zoo import gentle

from tuner import optim, schedules
from tuner.training import Checkpoints, Engine
from tuner.training.checkpoint import folder_of
from tuner.trial import Checkpointed, Finished, Objective, Paused, Reported, TrainingPlan, TrialSpec
from tuner.workloads import load

STEPS, EVERY = 12, 2
PLAN = TrainingPlan(objectives=(Objective(metric="loss", direction="minimize"),), evaluate_every=EVERY)
SHAPES = 2  # schedules that each rule is tried with
SPIRAL = itertools.cycle(schedules.names())
CASES = [(rule, next(SPIRAL)) for _ in range(SHAPES) for rule in optim.names()]


@pytest.fixture
def output(tmp_path, monkeypatch):
    write_at_once(monkeypatch)
    folder_of(tmp_path, "s-1").mkdir(parents=True)
    return tmp_path


def engine_of(workload, output, **options):
    """One that writes a checkpoint after every step."""
    return Engine(workload, PLAN, checkpoints=Checkpoints(every=0.0, output=str(output)), **options)


def reader_of(workload, output, **options):
    """One that finds what others wrote."""
    return Engine(workload, PLAN, checkpoints=Checkpoints(output=str(output)), **options)


def some(things, count, *key):
    """Any of them, the same ones every time."""
    return random.Random(repr(key)).sample(things, count)  # noqa: S311 - no secret


def run(engine, starts):
    """Until every trial has paused or ended; each trial's events."""
    told = {trial.index: [] for trial, _ in starts}
    for trial, saved in starts:
        engine.admit(trial, saved)
    while not all(any(isinstance(e, Finished | Paused) for e in events) for events in told.values()):
        for event in engine.step():
            told[event.trial].append(event)
    for event in engine.step():
        told[event.trial].append(event)
    engine.close()
    assert engine.warnings() == []
    return told


def curve(events):
    return [(e.step, dict(e.metrics)) for e in events if isinstance(e, Reported)]


def outcome(events):
    (last,) = [e for e in events if isinstance(e, Finished)]
    return last.outcome, last.step, last.values, last.note


def checkpoints(events):
    return [e.step for e in events if isinstance(e, Checkpointed)]


def resumed(engine, trial, step):
    later = replace(trial, attempt=trial.attempt + 1, resume_step=step)
    saved = engine.recall(later)
    assert saved is not None, step
    return later, saved


def test_checkpoints_change_nothing(output):
    workload, trial = load("noisy-quadratic"), gentle(0, "adam", "cosine", STEPS)
    plain = run(Engine(workload, PLAN, slots=1), [(trial, None)])[0]
    watched = run(engine_of(workload, output, slots=1), [(trial, None)])[0]
    assert curve(watched) == curve(plain)
    assert outcome(watched) == outcome(plain)
    assert checkpoints(watched) == list(range(1, STEPS - 1))  # the last one comes too late to be told


@pytest.mark.parametrize(("rule", "schedule"), CASES)
def test_every_rule_goes_on_from_its_file_bit_for_bit(rule, schedule, output):
    workload, trial = load("noisy-quadratic"), gentle(0, rule, schedule, STEPS)
    whole = run(engine_of(workload, output, slots=1), [(trial, None)])[0]
    (step,) = some(checkpoints(whole), 1, rule, schedule)
    engine = reader_of(workload, output, slots=1)
    rest = run(engine, [resumed(engine, trial, step)])[0]
    assert [point for point in curve(whole) if point[0] <= step] + curve(rest) == curve(whole), step
    assert outcome(rest) == outcome(whole)


@pytest.mark.parametrize(
    "more",
    [
        {"ema": 0.9, "swa": 0.25, "lookahead_k": 3},
        {"clip_norm": 0.1, "sam_rho": 0.05},
        {"schedule": "plateau", "plateau.patience": 0, "plateau.threshold": 0.5},
        {"then.optimizer": "momentum", "then.momentum.lr": 0.01, "then.at": 0.3},
    ],
    ids="-".join,
)
def test_what_stands_around_a_rule_and_buffers_go_on_from_a_file_too(more, output):
    params = {"optimizer": "adamw", "adamw.lr": 0.02, "schedule": "wsd"} | more
    trial = TrialSpec(sweep="s-1", index=0, params=params, seed=3, total_steps=STEPS)
    whole = run(engine_of(Buffered(), output, slots=1), [(trial, None)])[0]
    for step in checkpoints(whole)[1::3]:
        engine = reader_of(Buffered(), output, slots=1)
        rest = run(engine, [resumed(engine, trial, step)])[0]
        assert [point for point in curve(whole) if point[0] <= step] + curve(rest) == curve(whole)
        assert outcome(rest) == outcome(whole)


def test_a_whole_population_goes_on_from_one_file_to_1e_9(output):
    shapes = itertools.cycle(reversed(schedules.names()))
    trials = [gentle(index, rule, next(shapes), STEPS) for index, rule in enumerate(optim.names())]
    options = {"slots": len(trials), "dtype": torch.float64}
    workload = load("noisy-quadratic")
    whole = run(engine_of(workload, output, **options, form="fused"), [(trial, None) for trial in trials])
    steps = [step for step in checkpoints(whole[0]) if 0 < step < STEPS]
    for step in some(steps, 1):
        engine = reader_of(workload, output, **options)
        order = some(trials, len(trials), step)
        rest = run(engine, [resumed(engine, trial, step) for trial in order])
        for trial in trials:
            joined = [point for point in curve(whole[trial.index]) if point[0] <= step] + curve(rest[trial.index])
            for (at, metrics), (expected_at, expected) in zip(joined, curve(whole[trial.index]), strict=True):
                assert (at, metrics) == (expected_at, pytest.approx(expected, rel=1e-9, abs=1e-9)), trial


def test_the_rows_of_a_population_lie_in_one_file(output):
    trials = [gentle(index, "adam", "cosine", STEPS) for index in range(3)]
    told = run(engine_of(load("noisy-quadratic"), output, slots=3), [(trial, None) for trial in trials])
    written = [e for events in told.values() for e in events if isinstance(e, Checkpointed)]
    files = {}
    for event in written:
        files.setdefault(event.path, set()).add((event.trial, event.step, event.at))
    assert {len(rows) for rows in files.values()} == {3}
    assert all(len({(step, at) for _, step, at in rows}) == 1 for rows in files.values())


def test_a_checkpoint_is_told_before_the_end_of_its_trial_and_after_what_it_holds(output):
    trial = gentle(0, "adam", "cosine", STEPS)
    events = run(engine_of(load("noisy-quadratic"), output, slots=1), [(trial, None)])[0]
    assert isinstance(events[-1], Finished)
    reported = 0
    for event in events:
        if isinstance(event, Reported):
            reported = event.step
        if isinstance(event, Checkpointed):
            assert event.step <= reported + EVERY
    assert sorted(checkpoints(events)) == checkpoints(events)


def test_a_trial_that_paused_goes_on_from_its_file(output):
    workload = load("noisy-quadratic")
    trials = [gentle(index, "nadam", "cosine", STEPS) for index in range(2)]
    whole = run(Engine(workload, PLAN, slots=1), [(trials[0], None)])[0]
    pausing = replace(trials[0], pause_step=4)
    before = run(engine_of(workload, output, slots=2), [(pausing, None), (trials[1], None)])[0]
    assert isinstance(before[-1], Checkpointed)  # it comes to disk after the pause
    assert checkpoints(before) == [1, 2, 3, 4]  # once, however long the neighbour trains
    engine = reader_of(workload, output, slots=1)
    rest = run(engine, [resumed(engine, pausing, 4)])
    assert [*curve(before), *curve(rest[0])] == curve(whole)


def test_without_an_interval_nothing_is_written(output):
    engine = Engine(load("noisy-quadratic"), PLAN, slots=1)
    run(engine, [(replace(gentle(0, "sgd", "constant", STEPS), pause_step=4), None)])
    patient = Engine(load("noisy-quadratic"), PLAN, slots=1, checkpoints=Checkpoints(every=60.0, output=str(output)))
    run(patient, [(gentle(0, "sgd", "constant", STEPS), None)])
    assert list(folder_of(output, "s-1").iterdir()) == []


def test_one_that_catches_up_has_no_state_before_it_has_told_of_all_that_led_there(output):
    workload = load("noisy-quadratic")
    host, guest = (
        gentle(index, "adam", "constant", 2 * STEPS, **{"constant.cooldown": cooldown}, seed=0)
        for index, cooldown in enumerate((0.0, 0.2))
    )
    engine = engine_of(workload, output, slots=2, share_prefixes=True)
    engine.admit(host)
    events = [event for _ in range(6) for event in engine.step()]
    engine.admit(guest)
    while not engine.is_idle():
        events += engine.step()
    reported, together = {0: 0, 1: 0}, set()
    for event in events:
        if isinstance(event, Reported):
            reported[event.trial] = event.step
        if isinstance(event, Checkpointed):
            assert event.step < reported[event.trial] + EVERY
            together.add((event.trial, event.path))
    paths = {path for _, path in together}
    assert any({(0, path), (1, path)} <= together for path in paths)  # in one row, as long as they are one
    assert len({path for trial, path in together if trial == 1}) > 2
