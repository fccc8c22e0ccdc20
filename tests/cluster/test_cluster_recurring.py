"""Recurring sweeps on both kinds of database: every due time once, whoever looks and whatever the clocks do."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from cluster_fakes import Clock, Deadly, KilledError, drafted, recurring
from sqlalchemy import event

from tuner.cluster import Scheduler, Webhook, add_recurring, run_now
from tuner.cluster.recurring import due_sweep
from tuner.errors import SpecError, UnknownNameError, UsageError
from tuner.ledger import open_ledger
from tuner.ledger.holder import Holder

MINUTE, HOUR = 60.0, 3600.0
NOBODY = Webhook(())
SPEC = """\
name: digits-{{ date }}
workload: noisy-quadratic
objective: loss
budget: {trials: 2, steps: {{ run }}0}
executor: inline
space:
  optimizer: {sgd: {lr: {log: [1e-3, 1e-1]}}}
"""


def scheduler(ledger, clock, webhook=NOBODY):
    return Scheduler(ledger, webhook, clock=clock, draft=drafted)


def hurry(ledger):
    """Let SQLite not wait for the disk: no machine crashes in these tests."""
    if ledger.is_file:
        event.listen(ledger._database.engine, "checkout", lambda c, *_: c.execute("PRAGMA synchronous = OFF").close())


def decisions(ledger, name="nightly"):
    return [(f.due_at, f.decision) for f in reversed(ledger.recurring.history(name, limit=2000))]


def test_two_schedulers_and_a_thousand_due_times(store):
    """Both look at every moment: each due time is decided once, and every sweep that was queued is some due time's."""
    looks, names = 100, {f"every-minute-{n}": "queue" if n == 0 else "skip" for n in range(10)}
    together = threading.Barrier(2)
    with closing(open_ledger(store)) as ledger:
        for name, overlap in names.items():
            ledger.recurring.add(recurring(name, overlap=overlap))

    def work(_: int) -> None:
        clock = Clock(0.0)
        with closing(open_ledger(store)) as ledger:
            hurry(ledger)
            one = scheduler(ledger, clock)
            for _look in range(looks):
                together.wait()
                clock.now += MINUTE
                one.turn()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    with closing(open_ledger(store)) as ledger:
        due = [(n + 1) * MINUTE for n in range(looks)]
        for name, overlap in names.items():
            fired = ["queued"] * looks if overlap == "queue" else ["queued", *["skipped"] * (looks - 1)]
            assert decisions(ledger, name) == list(zip(due, fired, strict=True))
            jobs = [job.due_at for job in ledger.queue.jobs(limit=2000) if job.schedule == name]
            assert jobs == (due if overlap == "queue" else due[:1])
        assert len(ledger.sweeps()) == looks + 9


@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_a_scheduler_is_killed_every_due_time_is_decided_once(ledger, when):
    killed = 0
    for n in range(1, 100):
        name = f"nightly-{n}"
        ledger.recurring.add(recurring(name, cron="0 * * * *", catch_up=3 * HOUR))
        clock = Clock(6.5 * HOUR)
        one = scheduler(ledger, clock)
        one._ledger = SimpleNamespace(recurring=Deadly(ledger.recurring, n, when))
        try:
            one.turn()
        except KilledError:
            killed += 1
        scheduler(ledger, clock).turn()
        assert decisions(ledger, name) == [(HOUR, "missed"), *((m * HOUR, "queued") for m in (4, 5, 6))]
        assert sum(job.schedule == name for job in ledger.queue.jobs()) == 3
        ledger.recurring.remove(name)
        if killed < n:
            break
    assert killed > 7


def test_a_clock_that_is_set_back_makes_nothing_due_twice(ledger):
    clock = Clock(10 * MINUTE)
    ledger.recurring.add(recurring())
    for now in (10, 5, 7, 11, 3, 12):
        clock.now = now * MINUTE
        scheduler(ledger, clock).turn()
    assert decisions(ledger) == [(n * MINUTE, "queued") for n in range(1, 13)]


def test_what_is_decided_late_opens_nothing_again(ledger):
    nightly = recurring(decided_until=20 * MINUTE)
    ledger.recurring.add(nightly)
    assert ledger.recurring.fire("nightly", 5 * MINUTE, drafted(nightly, 0.0, 1), 0.0).sweep == "nightly-1"
    assert ledger.recurring.pass_over("nightly", 6 * MINUTE, "missed", "", 0.0).decision == "missed"
    assert ledger.recurring.get("nightly").decided_until == 20 * MINUTE


def test_what_was_due_while_nobody_ran_is_made_up_for_within_the_window(ledger):
    ledger.recurring.add(recurring(cron="0 * * * *", catch_up=3 * HOUR))
    one = scheduler(ledger, Clock(10.5 * HOUR))
    one.turn()
    one.turn()
    assert decisions(ledger) == [(HOUR, "missed"), *((n * HOUR, "queued") for n in (8, 9, 10))]
    assert (
        ledger.recurring.history("nightly", limit=9)[-1].note == "nobody ran what was due from here to 1970-01-01 07:30"
    )


@pytest.mark.parametrize("overlap", ["skip", "replace"])
def test_only_the_latest_is_made_up_for_where_the_rest_would_be_in_its_way(ledger, overlap):
    ledger.recurring.add(recurring(cron="0 * * * *", catch_up=3 * HOUR, overlap=overlap))
    clock = Clock(2.5 * HOUR)
    one = scheduler(ledger, clock)
    one.turn()
    assert decisions(ledger) == [(HOUR, "missed"), (2 * HOUR, "queued")]
    clock.now = 20.5 * HOUR
    one.turn()
    decided = decisions(ledger)[2:]
    assert [due for due, _ in decided] == [3 * HOUR, 20 * HOUR]
    assert decided[0][1] == "missed"


def test_nothing_is_made_up_for_where_that_is_not_wanted(ledger):
    ledger.recurring.add(recurring(cron="0 * * * *", catch_up=0.0))
    clock = Clock(2.5 * HOUR)
    one = scheduler(ledger, clock)
    one.turn()
    assert decisions(ledger) == [(HOUR, "missed")]
    assert not ledger.queue.jobs()
    clock.now = 3 * HOUR + 20
    one.turn()
    assert decisions(ledger)[1:] == [(3 * HOUR, "queued")]


def test_what_still_runs_is_skipped_queued_behind_or_replaced(ledger):
    clock = Clock(0.0)
    for overlap in ("skip", "queue", "replace"):
        ledger.recurring.add(recurring(overlap, overlap=overlap))
    one = scheduler(ledger, clock)
    clock.now = MINUTE
    one.turn()
    running = ledger.queue.take(Holder.here(), limit=9, per_owner=9, at=clock.now)  # the first by name: of queue
    assert running.schedule == "queue"
    clock.now = 2 * MINUTE
    one.turn()
    states = {
        name: [job.state for job in ledger.queue.jobs() if job.schedule == name]
        for name in ("skip", "queue", "replace")
    }
    assert states == {"skip": ["queued"], "queue": ["running", "queued"], "replace": ["cancelled", "queued"]}
    assert ledger.recurring.history("skip", limit=1)[0].note == "skip-1 was still queued"
    job = ledger.queue.job("replace-2")
    ledger.queue.cancel("replace-2", clock.now)
    ledger.queue.requeue("replace-2", clock.now)
    ledger.queue.prioritise("replace-2", 9)
    assert ledger.queue.take(Holder.here(), limit=9, per_owner=9, at=clock.now).sweep == job.sweep
    clock.now = 3 * MINUTE
    one.turn()
    assert ledger.queue.job("replace-2").asked == "cancel"  # its runner sees to it
    for sweep in ("skip-1",):
        ledger.queue.cancel(sweep, clock.now)
    clock.now = 4 * MINUTE
    one.turn()
    assert ledger.queue.job("skip-2").due_at == 4 * MINUTE


def test_a_pause_leaves_out_what_is_due_in_it(ledger):
    ledger.recurring.add(recurring())
    clock = Clock(MINUTE)
    one = scheduler(ledger, clock)
    one.turn()
    assert ledger.recurring.pause("nightly").is_paused
    clock.now = 5 * MINUTE
    one.turn()
    ledger.recurring.resume("nightly", clock.now)
    clock.now = 6 * MINUTE
    one.turn()
    assert decisions(ledger) == [(MINUTE, "queued"), (6 * MINUTE, "queued")]


def test_a_sweep_by_hand_runs_beside_the_calendar(ledger):
    ledger.recurring.add(recurring(spec_text=SPEC, is_paused=True))
    by_hand = run_now(ledger, "nightly", 90.0)
    assert (by_hand.sweep, by_hand.state, by_hand.due_at) == ("digits-1970-01-01-1", "queued", 90.0)
    ledger.recurring.resume("nightly", 0.0)
    scheduler(ledger, Clock(2 * MINUTE)).turn()
    assert decisions(ledger) == [(60.0, "queued"), (90.0, "queued"), (120.0, "queued")]


def test_the_day_is_put_into_the_spec_in_its_own_time_zone(ledger):
    due = datetime(2026, 11, 20, 0, 30, tzinfo=ZoneInfo("Asia/Tokyo")).timestamp()
    new = due_sweep(recurring(spec_text=SPEC, zone="Asia/Tokyo"), due, 7)
    assert (new.name, new.spec["budget"]["steps"]) == ("digits-2026-11-20", 70)
    assert "digits-2026-11-20" in new.spec_text


def test_a_variable_that_there_is_not_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="unknown template variable 'dat'; did you mean 'date'"):
        due_sweep(recurring(spec_text="name: {{ dat }}"), 0.0, 1)


def test_what_can_no_longer_be_run_is_recorded_and_the_next_is_tried(ledger):
    ledger.recurring.add(recurring(spec_text=SPEC.replace("noisy-quadratic", "gone")))
    clock = Clock(MINUTE)
    one = Scheduler(ledger, NOBODY, clock=clock)
    one.turn()
    clock.now = 2 * MINUTE
    one.turn()
    assert decisions(ledger) == [(MINUTE, "refused"), (2 * MINUTE, "refused")]
    latest = ledger.recurring.history("nightly", limit=1)[0]
    assert "unknown workload 'gone'" in latest.note
    assert latest.told == ""


def test_a_fault_of_the_program_at_one_stops_no_other(ledger, caplog):
    def draft(of, due_at, run):
        if of.name == "broken":
            raise ZeroDivisionError("by zero")
        return drafted(of, due_at, run)

    for name in ("broken", "cron", "whole"):
        ledger.recurring.add(recurring(name, cron="never" if name == "cron" else "* * * * *"))
    one = Scheduler(ledger, NOBODY, clock=Clock(MINUTE), draft=draft)
    one.turn()
    one.turn()
    assert decisions(ledger, "whole") == [(MINUTE, "queued")]
    assert decisions(ledger, "broken") == [(MINUTE, "refused")]
    assert ledger.recurring.history("broken", limit=1)[0].note == "ZeroDivisionError: by zero"
    assert decisions(ledger, "cron") == []
    assert [record.message for record in caplog.records] == [
        "broken cannot be prepared",
        "what is due of cron cannot be decided",
    ]


MISTAKES = [
    ({"name": "Nightly!"}, "NAME: expected at most 64 lower-case letters"),
    ({"cron": "0 25 * * *"}, "a wrong hour"),
    ({"zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
    ({"catch_up": -1.0}, "--catch-up: expected 0s to 168h, got -1 seconds"),
    ({"catch_up": float("nan")}, "--catch-up: expected 0s to 168h, got nan"),
    ({"catch_up": 1e6}, "--catch-up: expected 0s to 168h"),
    ({"target": "ray://head"}, "target: expected local or the address of a Ray cluster's dashboard"),
    ({"webhook": "http://hooks.example"}, "webhook: expected an address that begins with https://"),
    ({"webhook": "https://hooks.example/x"}, "webhook: hooks.example is not an allowed host (allowed: none)"),
    ({"spec_text": "name: x"}, "workload: expected a value, got nothing"),
]


@pytest.mark.parametrize(("facts", "message"), MISTAKES, ids=lambda value: "")
def test_a_mistake_is_said_before_anything_is_recorded(ledger, facts, message):
    with pytest.raises(UsageError) as raised:
        add_recurring(ledger, recurring(**{"spec_text": SPEC} | facts), NOBODY)
    assert message in str(raised.value)
    assert ledger.recurring.all() == []


def test_a_name_is_given_once(ledger):
    add_recurring(ledger, recurring(spec_text=SPEC), NOBODY)
    with pytest.raises(UsageError, match="there is a recurring sweep 'nightly' already"):
        add_recurring(ledger, recurring(spec_text=SPEC), NOBODY)
    with pytest.raises(UnknownNameError, match="unknown recurring sweep 'nightl'; did you mean 'nightly'"):
        ledger.recurring.get("nightl")
    ledger.recurring.remove("nightly")
    add_recurring(ledger, recurring(spec_text=SPEC), NOBODY)


def test_removing_it_leaves_its_sweeps(ledger):
    ledger.recurring.add(recurring())
    scheduler(ledger, Clock(MINUTE)).turn()
    ledger.recurring.remove("nightly")
    assert Counter((job.sweep, job.state, job.schedule) for job in ledger.queue.jobs()) == {
        ("nightly-1", "queued", None): 1
    }


def test_no_spec_of_a_user_s_own_without_a_folder(ledger):
    with pytest.raises(SpecError, match="without a folder"):
        add_recurring(ledger, recurring(spec_text=SPEC.replace("noisy-quadratic", "mine.py:Net")), NOBODY)
