"""The runner: what it makes of every way in which a driver can live, end, or fall silent."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from cluster_fakes import Clock, Deadly, KilledError, drafted, recurring

from tuner.cluster import Runner, Setting, runner
from tuner.errors import ExecutorError
from tuner.ledger import open_ledger
from tuner.ledger.holder import Holder


class FakeBackend:
    """Drivers that live and end as they are told to. ``stops`` are the (sweep, by force) that were asked for."""

    def __init__(self):
        self.conditions, self.stops, self.begun, self.fault, self.kind = {}, [], [], None, "process"

    def begin(self, job, record):
        if self.fault:
            raise self.fault
        record({"kind": self.kind, "sweep": job.sweep})
        assert self.conditions.get(job.sweep) != "alive", "it is driven already"
        self.begun.append(job.sweep)
        self.conditions[job.sweep] = "alive"

    def condition(self, runner):
        condition = self.conditions[runner["sweep"]]
        if isinstance(condition, Exception):
            raise condition
        return condition

    def stop(self, runner, *, hard):
        self.stops.append((runner["sweep"], hard))

    def words(self, job):
        return f"last words of {job.sweep}"


class World:
    """A ledger, a runner of two jobs at a time, and what it runs."""

    def __init__(self, ledger):
        self.ledger, self.queue = ledger, ledger.queue
        self.clock, self.backend = Clock(1000.0), FakeBackend()
        self.runner = self.another_runner()

    def another_runner(self, grace=0.0):
        made = Runner(self.ledger, Setting(store="", output=None, concurrency=2, grace=grace), clock=self.clock)
        made._backends = {"process": self.backend, "ray": self.backend}
        return made

    def submit(self, **facts):
        sweep = self.queue.submit(drafted(recurring("q"), 0.0, 1), owner="ada", at=self.clock(), **facts)
        return sweep.id

    def running(self):
        sweep = self.submit()
        self.runner.turn()
        assert self.queue.job(sweep).state == "running"
        return sweep

    def end(self, sweep, status=None, condition="gone"):
        """The driver ends, and says so or not."""
        if status:
            with self.ledger.lease(sweep):
                self.ledger.set_status(sweep, status, self.clock())
        self.backend.conditions[sweep] = condition

    def state(self, sweep):
        return self.queue.job(sweep).state


@pytest.fixture
def world(tmp_path):
    with closing(open_ledger(f"sqlite:///{tmp_path}/tuner.db")) as ledger:
        yield World(ledger)


def test_jobs_are_begun_while_there_is_room(world):
    first, second, third = (world.submit() for _ in range(3))
    world.runner.turn()
    assert world.backend.begun == [first, second]
    world.end(first, "done")
    world.runner.turn()
    assert world.backend.begun == [first, second, third]
    assert [world.state(sweep) for sweep in (first, second, third)] == ["done", "running", "running"]


def test_a_driver_that_failed_leaves_its_last_words(world):
    sweep = world.running()
    world.end(sweep, "failed")
    world.runner.turn()
    job = world.queue.job(sweep)
    assert (job.state, job.note) == ("failed", f"last words of {sweep}")


def test_a_driver_that_cannot_run_the_sweep_is_not_started_again(world):
    sweep = world.running()
    world.end(sweep, condition="refused")
    world.runner.turn()
    assert world.state(sweep) == "failed"
    assert world.backend.begun == [sweep]


@pytest.mark.parametrize("status", [None, "running", "interrupted"])
def test_a_driver_that_ends_without_a_word_is_started_again_a_few_times(world, status):
    sweep = world.running()
    for _ in range(runner.MAX_LOSSES):
        world.end(sweep, status)
        world.runner.turn()
        world.runner.turn()
        assert world.state(sweep) != "running"
        world.clock.now += 100
        world.runner.turn()
    job = world.queue.job(sweep)
    assert world.backend.begun == [sweep] * runner.MAX_LOSSES
    assert (job.state, job.runs, job.losses) == ("failed", runner.MAX_LOSSES, runner.MAX_LOSSES)
    assert "3 times: its driver ended without a word" in job.note
    assert f"last words of {sweep}" in job.note
    assert world.queue.requeue(sweep, 0.0).losses == 0


def test_runs_that_go_well_for_long_may_end_without_a_word_more_often(world):
    sweep = world.running()
    for _ in range(runner.MAX_LOSSES + 2):
        world.clock.now += runner.LASTING + 1
        world.end(sweep, "running")
        world.runner.turn()
        assert world.queue.job(sweep).losses == 1
        world.clock.now += 100
        world.runner.turn()
        assert world.state(sweep) == "running"


def test_what_cannot_be_started_is_tried_again_a_few_times(world):
    world.backend.fault = ExecutorError("the Ray cluster is away")
    sweep = world.submit()
    for _ in range(9):
        world.runner.turn()
        world.clock.now += 20
    job = world.queue.job(sweep)
    assert (job.state, job.runs) == ("failed", runner.MAX_LOSSES)
    assert "it cannot be started: the Ray cluster is away" in job.note


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
@pytest.mark.parametrize("status", [None, "interrupted", "failed"])
def test_a_driver_is_asked_to_stop_once_and_then_made_to(world, wish, state, status):
    world.runner = world.another_runner(grace=60.0)
    sweep = world.running()
    getattr(world.queue, wish)(sweep, 0.0)
    world.runner.turn()
    world.runner.turn()
    assert world.backend.stops == [(sweep, False)]
    world.runner._setting = replace(world.runner._setting, grace=0.0)
    world.runner.turn()
    assert world.backend.stops == [(sweep, False), (sweep, True)]
    world.end(sweep, status)
    world.runner.turn()
    assert world.state(sweep) == state
    assert world.ledger.summary(sweep).status == {"cancel": "cancelled", "pause": status or "interrupted"}[wish]


def test_a_sweep_that_was_done_before_it_could_be_cancelled_is_done(world):
    sweep = world.running()
    world.queue.cancel(sweep, 0.0)
    world.end(sweep, "done")
    world.runner.turn()
    assert world.state(sweep) == "done"


def test_a_paused_sweep_goes_on_where_it_was(world):
    sweep = world.running()
    world.queue.pause(sweep, 0.0)
    world.end(sweep, "interrupted")
    world.runner.turn()
    world.runner.turn()
    assert world.state(sweep) == "paused"
    world.queue.requeue(sweep, 0.0)
    world.runner.turn()
    assert world.state(sweep) == "running"
    assert world.backend.begun == [sweep, sweep]


def test_another_runner_finds_what_the_first_one_began(world):
    sweep = world.running()
    second = world.another_runner()
    second.turn()
    assert world.backend.begun == [sweep]
    world.end(sweep, "done")
    second.turn()
    assert world.state(sweep) == "done"
    world.runner.turn()
    assert world.state(sweep) == "done"


def test_a_run_that_another_runner_began_meanwhile_is_not_ended(world, monkeypatch):
    """Between a look at the queue and a look at the driver, another runner saw that end and began the next run."""
    sweep = world.running()
    world.end(sweep)
    real = world.backend.condition

    def late(runner):
        seen = real(runner)
        monkeypatch.setattr(world.backend, "condition", real)
        other = world.another_runner()
        other.turn()
        world.clock.now += 100
        other.turn()
        return seen

    monkeypatch.setattr(world.backend, "condition", late)
    world.runner.turn()
    job = world.queue.job(sweep)
    assert (job.state, job.runs, job.losses) == ("running", 2, 1)
    assert world.backend.begun == [sweep, sweep]


def test_a_sweep_that_somebody_drives_by_hand_is_waited_for(world):
    sweep = world.running()
    with world.ledger.lease(sweep):
        world.end(sweep)
        world.runner.turn()
        job = world.queue.job(sweep)
        assert (job.state, job.losses) == ("queued", 0)
        world.runner.turn()
        assert world.state(sweep) == "queued"
    world.runner.turn()
    assert world.state(sweep) == "running"


def test_a_cluster_s_driver_that_dies_hard_is_lost_once_its_lease_is_over(world):
    world.backend.kind = "ray"
    sweep = world.running()
    with world.ledger.lease(sweep):
        world.end(sweep)
        world.runner.turn()
        assert world.state(sweep) == "running"
    world.runner.turn()
    job = world.queue.job(sweep)
    assert (job.state, job.losses) == ("queued", 1)


def test_a_fault_of_the_program_at_one_job_stops_no_other(world, caplog):
    broken, whole = world.running(), world.running()
    world.backend.conditions[broken] = TypeError("odd")
    world.end(whole, "done")
    world.runner.turn()
    world.runner.turn()
    assert [world.state(sweep) for sweep in (broken, whole)] == ["running", "done"]
    assert [record.message for record in caplog.records] == [f"{broken} cannot be looked after"]
    assert "TypeError: odd" in caplog.text
    world.clock.now += runner.SILENCE + 1
    world.runner.turn()
    job = world.queue.job(broken)
    assert (job.losses, job.note) == (1, "it cannot be looked after: TypeError: odd")


def test_a_job_that_this_program_fails_to_start_is_lost(world, caplog):
    world.backend.fault = TypeError("odd")
    sweep = world.submit()
    world.runner.turn()
    job = world.queue.job(sweep)
    assert (job.state, job.losses, job.note) == ("queued", 1, "it cannot be started: TypeError: odd")
    assert "Traceback" in caplog.text


def test_a_driver_that_nobody_sees_is_given_up_once_its_lease_is_over_for_long(world):
    sweep = world.running()
    world.backend.conditions[sweep] = "unseen"
    world.clock.now += runner.SILENCE
    world.runner.turn()
    with world.ledger.lease(sweep):
        world.clock.now += 1
        world.runner.turn()
        world.ledger.set_status(sweep, "running", world.clock())
    world.clock.now += runner.SILENCE
    world.runner.turn()
    assert world.queue.job(sweep).runs == 1
    world.clock.now += 1
    world.runner.turn()
    assert world.queue.job(sweep).runs == 2


def taken_by(world, **holder):
    sweep = world.submit()
    taker = replace(Holder.here(), **holder)
    assert world.queue.take(taker, limit=9, per_owner=9, at=world.clock()).sweep == sweep
    return sweep


def test_what_a_dead_runner_took_and_never_started_is_started(world):
    sweep = taken_by(world, started="1")  # whose process had the id of this one, and is no more
    world.runner.turn()
    world.clock.now += 20
    world.runner.turn()
    assert world.backend.begun == [sweep]
    assert world.queue.job(sweep).note == "its runner ended before it was started"


def test_what_a_living_runner_took_is_left_to_it(world):
    taker = Holder.here()
    with taker.at_work():
        sweep = world.submit()
        world.queue.take(taker, limit=9, per_owner=9, at=world.clock())
        world.runner.turn()
    assert world.backend.begun == []
    assert world.queue.job(sweep).runner == {"kind": "starting", **asdict(taker)}


def test_what_a_runner_elsewhere_took_is_left_to_it_for_a_while(world):
    sweep = taken_by(world, machine="another boot", host="elsewhere")
    world.runner.turn()
    assert world.backend.begun == []
    world.clock.now += runner.SILENCE + 1
    world.runner.turn()
    assert world.backend.begun == [sweep]


def test_a_run_that_another_runner_took_over_is_not_started(world, monkeypatch):
    def thought_dead(job, record):
        world.queue.ended(world.queue.job(job.sweep), "queued", "its runner ended before it was started", 0.0, losses=1)
        record({"kind": "process", "sweep": job.sweep})
        world.backend.begun.append(job.sweep)

    sweep = world.submit()
    job = world.queue.take(Holder.here(), limit=9, per_owner=9, at=0.0)
    monkeypatch.setattr(world.backend, "begin", thought_dead)
    world.runner._begin(job)
    assert world.backend.begun == []
    assert (world.state(sweep), world.queue.job(sweep).losses) == ("queued", 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_a_runner_is_killed_every_sweep_is_done_and_never_driven_twice_at_once(world, when):
    killed = 0
    for n in range(1, 100):
        sweeps = [world.submit() for _ in range(2)]
        world.backend.conditions = defaultdict(lambda: "gone")  # one that was never begun, or ended with its runner
        world.runner = world.another_runner()
        world.runner._ledger = SimpleNamespace(queue=Deadly(world.queue, n, when))
        try:
            work_off(world, world.runner, sweeps)
        except KilledError:
            killed += 1
        work_off(world, world.another_runner(), sweeps)
        assert {world.state(sweep) for sweep in sweeps} == {"done"}, f"killed {when} call {n}"
        if killed < n:
            break
    assert killed > 10


def work_off(world, runner, sweeps):
    """Turn after turn, in which every driver that runs comes to its end."""
    for _ in range(20):
        runner.turn()
        if all(world.state(sweep) == "done" for sweep in sweeps):
            return
        world.clock.now += 100
        for sweep in [sweep for sweep, condition in world.backend.conditions.items() if condition == "alive"]:
            world.end(sweep, "done")
