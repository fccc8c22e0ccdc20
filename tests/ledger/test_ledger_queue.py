"""The queue on every kind of database: its order, its limits, who may do what to a job, and who takes it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from tuner.errors import LeaseError, UnknownNameError, UsageError
from tuner.ledger import NewSweep, open_ledger
from tuner.ledger import jobs as rows
from tuner.ledger.holder import Holder
from tuner.ledger.schema import jobs
from tuner.ledger.summary import recorded_as, sweep_state
from tuner.trial import Objective

HERE = Holder.here()
ELSEWHERE = replace(HERE, host="elsewhere", machine="another boot", token="other")  # noqa: S106
RAY = "http://head:8265"
FREE = {"limit": 100, "per_owner": 100}
STATES = ("queued", "running", "paused", "done", "failed", "cancelled")
numbers = itertools.count()


@pytest.fixture
def queue(ledger):
    """An empty queue."""
    with ledger._database.writing() as connection:
        connection.execute(jobs.delete())
    return ledger.queue


@pytest.fixture
def submit(queue):
    def call(owner="ada", **facts):
        new = NewSweep(
            name=f"q{next(numbers)}",
            spec={"workload": "digits"},
            spec_text="",
            environment={},
            objectives=[Objective(metric="loss", direction="minimize")],
            seed=0,
            repeats=1,
        )
        return queue.submit(new, owner=owner, **{"at": 1.0} | facts).id

    return call


@pytest.fixture
def job_in(queue, submit):
    """A job in the state that is asked for."""

    def call(state):
        sweep = submit(priority=next(numbers))
        if state == "cancelled":
            queue.cancel(sweep, 2.0)
        elif state == "paused":
            queue.pause(sweep, 2.0)
        elif state != "queued":
            job = queue.take(HERE, **FREE, at=3.0)
            assert job.sweep == sweep
            if state != "running":
                queue.ended(job, state, "why", 4.0)
        assert queue.job(sweep).state == state
        return sweep

    return call


def taken(queue, holder=HERE, **limits):
    job = queue.take(holder, **FREE | limits, at=5.0)
    return job and job.sweep


def test_the_highest_priority_comes_first_then_the_oldest(queue, submit):
    late, low, high, same = submit(at=9.0), submit(at=1.0), submit(priority=5), submit(at=9.0)
    assert [job.sweep for job in queue.jobs()] == [high, low, late, same]
    queue.prioritise(same, 7)
    expected = [same, high, low, late]
    assert [job.sweep for job in queue.jobs()] == expected
    paged = []
    while page := queue.jobs(limit=1, after=paged[-1] if paged else None):
        paged += [job.sweep for job in page]
    assert paged == expected
    assert [taken(queue) for _ in range(5)] == [*expected, None]


def test_jobs_are_found_by_state_and_owner(queue, submit):
    ada, bob = submit("ada"), submit("bob")
    queue.pause(bob, 2.0)
    assert [job.sweep for job in queue.jobs(state="queued")] == [ada]
    assert [job.sweep for job in queue.jobs(owner="bob")] == [bob]
    assert queue.counts() == {"queued": 1, "paused": 1}


def test_so_many_run_in_one_place_and_no_more(queue, submit):
    here = [submit() for _ in range(3)]
    there = [submit(target=RAY) for _ in range(3)]
    assert [taken(queue, limit=2) for _ in range(5)] == [*here[:2], *there[:2], None]
    assert taken(queue, ELSEWHERE, limit=2) == here[2]
    assert taken(queue, ELSEWHERE, limit=2) is None
    queue.ended(queue.job(there[0]), "done", "", 6.0)
    assert taken(queue, limit=2) == there[2]


def test_an_owner_has_so_many_running_and_others_go_before_the_rest(queue, submit):
    ada, bob = [submit("ada") for _ in range(3)], submit("bob")
    assert [taken(queue, per_owner=2) for _ in range(4)] == [*ada[:2], bob, None]
    assert taken(queue, ELSEWHERE, per_owner=2) is None


def test_what_was_paused_or_cancelled_is_not_taken(queue, submit):
    paused, cancelled, last = submit(), submit(), submit()
    queue.pause(paused, 2.0)
    queue.cancel(cancelled, 2.0)
    assert [taken(queue) for _ in range(2)] == [last, None]
    queue.requeue(paused, 3.0)
    assert taken(queue) == paused


def test_a_sweep_that_somebody_drives_waits_until_that_is_over(ledger, queue, submit):
    sweep = submit()
    with ledger.lease(sweep):
        assert taken(queue) is None
        assert queue.job(sweep).is_driven
    assert taken(queue) == sweep


LEGAL = {
    "cancel": {"queued": "cancelled", "paused": "cancelled", "running": "running"},
    "pause": {"queued": "paused", "running": "running"},
    "requeue": {"paused": "queued", "cancelled": "queued", "failed": "queued"},
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("wish", LEGAL)
def test_only_what_makes_sense_is_done(queue, job_in, wish, state):
    sweep = job_in(state)
    ask = getattr(queue, wish)
    if state not in LEGAL[wish]:
        with pytest.raises(UsageError, match=f"{sweep} cannot be .*: it is {state}; only|nothing"):
            ask(sweep, 6.0)
        return
    job = ask(sweep, 6.0)
    assert job == queue.job(sweep)
    assert job.state == LEGAL[wish][state]
    assert job.asked == (wish if state == "running" else None)


@pytest.mark.parametrize("state", STATES)
def test_only_what_waits_can_be_given_another_priority(queue, job_in, state):
    sweep = job_in(state)
    if state in ("queued", "paused"):
        assert queue.prioritise(sweep, 3).priority == 3
    else:
        with pytest.raises(UsageError, match=f"it is {state}"):
            queue.prioritise(sweep, 3)


def test_a_pause_can_become_a_cancellation_and_not_the_other_way_round(queue, job_in):
    sweep = job_in("running")
    assert queue.pause(sweep, 6.0).asked == "pause"
    assert queue.cancel(sweep, 6.0).asked == "cancel"
    with pytest.raises(UsageError, match="running and is being cancelled"):
        queue.pause(sweep, 6.0)


def test_a_sweep_outside_the_queue_is_told_apart_from_none(ledger, queue, make):
    sweep = make.sweep(ledger).id
    assert queue.find(sweep) is None
    with pytest.raises(UsageError, match=f"{sweep} was not given to the queue: .*`tuner queue resume {sweep}`"):
        queue.cancel(sweep, 1.0)
    with pytest.raises(UnknownNameError):
        queue.job("nothing-1")
    assert queue.add(sweep, owner="ada", at=1.0).state == "queued"
    with pytest.raises(UsageError, match="in the queue already"):
        queue.add(sweep, owner="ada", at=1.0)


def test_a_run_that_was_given_up_changes_nothing_any_more(queue, submit):
    submit()
    old = queue.take(HERE, **FREE, at=2.0)
    assert queue.ended(old, "queued", "its runner died", 3.0, losses=1)
    assert queue.take(ELSEWHERE, **FREE, at=2.0 + rows.REST - 0.1) is None  # it waits for a while
    new = queue.take(ELSEWHERE, **FREE, at=2.0 + rows.REST)
    assert (new.sweep, new.runs, new.losses, new.note) == (old.sweep, 2, 1, "its runner died")
    with pytest.raises(LeaseError, match="another runner has taken it over"):
        queue.started(old, {"kind": "process"}, 5.0)
    assert not queue.ended(old, "done", "", 5.0)
    assert queue.job(new.sweep) == new
    assert queue.started(new, {"kind": "process", "pid": 7}, 5.0).runner == {"kind": "process", "pid": 7}
    assert queue.ended(new, "done", "", 6.0)
    assert not queue.ended(new, "failed", "", 6.0)
    assert queue.job(new.sweep).state == "done"


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_what_is_asked_to_stop_in_the_last_moment_is_not_run_again(queue, submit, wish, state):
    submit()
    job = queue.take(HERE, **FREE, at=2.0)
    getattr(queue, wish)(job.sweep, 3.0)
    assert queue.ended(job, "queued", "it cannot be started", 4.0, losses=1)
    assert (queue.job(job.sweep).state, queue.job(job.sweep).asked) == (state, None)


def test_an_end_leaves_nothing_of_the_run(queue, job_in):
    sweep = job_in("running")
    queue.pause(sweep, 4.0)
    queue.ended(queue.job(sweep), "paused", "a note with \0 in it", 5.0)
    job = queue.job(sweep)
    assert (job.runner, job.asked, job.losses, job.ended_at) == (None, None, 0, 5.0)
    assert job.note == "a note with \\x00 in it"
    assert queue.requeue(sweep, 6.0).note == ""


def test_a_sweep_is_queued_with_its_job_or_not_at_all(ledger, submit, monkeypatch):
    def fail(*_arguments, **_options):
        raise UsageError("no room")

    monkeypatch.setattr(rows, "add", fail)
    before = len(ledger.sweeps())
    with pytest.raises(UsageError, match="no room"):
        submit()
    assert len(ledger.sweeps()) == before


def test_runners_never_take_the_same_job_nor_more_than_may_run(shared):
    with closing(open_ledger(shared)) as ledger:
        new = NewSweep(name="q", spec={}, spec_text="", environment={}, objectives=[], seed=0, repeats=1)
        for n in range(24):
            ledger.queue.submit(new, owner=f"owner {n % 3}", at=float(n))
    running: Counter[str] = Counter()
    seen: list[str] = []
    lock = threading.Lock()

    def work(_: int) -> None:
        with closing(open_ledger(shared)) as ledger:
            while any(job.state == "queued" for job in ledger.queue.jobs()):
                job = ledger.queue.take(HERE, limit=3, per_owner=2, at=1.0)
                if job is not None:
                    with lock:
                        seen.append(job.sweep)
                        running[job.owner] += 1
                        assert sum(running.values()) <= 3
                        assert running[job.owner] <= 2
                        running[job.owner] -= 1  # before the queue knows that there is room again
                    ledger.queue.ended(job, "done", "", 2.0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sorted(seen) == sorted(f"q-{n}" for n in range(1, 25))


def test_where_a_sweep_stands(ledger, queue, job_in, submit):
    shown = {state: ledger.summary(job_in(state)).status for state in STATES}
    assert shown == {
        "queued": "queued",
        "running": "queued",  # taken, and no driver holds it yet
        "paused": "interrupted",
        "done": "interrupted",  # as no driver ever recorded anything
        "failed": "interrupted",
        "cancelled": "cancelled",
    }
    sweep = submit()
    with ledger.lease(sweep):
        assert ledger.summary(sweep).status == "running"
        ledger.set_status(sweep, "done", 3.0)
    assert ledger.summary(sweep).status == "done"


@pytest.mark.parametrize("is_driven", [True, False])
@pytest.mark.parametrize("job", [None, *STATES])
@pytest.mark.parametrize("status", ["running", "done", "interrupted", "failed"])
def test_a_sweep_is_found_by_what_is_recorded_of_it(status, job, is_driven):
    assert status in recorded_as(sweep_state(status, job, is_driven=is_driven))
