"""`tuner submit`, `queue`, `schedule` and `work`, as a person types them."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from cli_specs import spec_text

from tuner.ledger import open_ledger


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a small spec, and a store that does not exist yet."""
    (tmp_path / "small.yaml").write_text(spec_text())
    monkeypatch.setenv("TUNER_STORE", f"sqlite:///{tmp_path / 'tuner.db'}")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("TUNER_WEBHOOK_HOSTS", raising=False)
    return tmp_path


@pytest.fixture
def ledger(place):
    with closing(open_ledger(f"sqlite:///{place / 'tuner.db'}")) as opened:
        yield opened


def test_a_sweep_is_submitted_listed_moved_paused_resumed_and_cancelled(tuner, place, ledger):
    spec = place / "small.yaml"
    said = tuner("submit", spec)
    assert said.code == 0, said.err
    assert said.out.startswith("small-1 is queued; `tuner work` runs it")
    submitted = tuner("submit", spec, "--priority", 5, "--json").json()
    assert (submitted["sweep"], submitted["state"], submitted["priority"]) == ("small-2", "queued", 5)
    assert [job["sweep"] for job in tuner("queue", "list", "--json").json()] == ["small-2", "small-1"]
    assert tuner("queue", "prioritise", "small-1", 9).out == "small-1 has priority 9\n"
    listed = tuner("queue", "list").out.splitlines()
    assert [line.split()[:3] for line in listed] == [
        ["sweep", "state", "priority"],
        ["small-1", "queued", "9"],
        ["small-2", "queued", "5"],
    ]
    assert tuner("queue", "pause", "small-1").out == "small-1 is paused\n"
    assert tuner("queue", "resume", "small-1").out == "small-1 is queued\n"
    assert tuner("queue", "cancel", "small-1").out == "small-1 is cancelled\n"
    assert [job["sweep"] for job in tuner("queue", "list", "--json").json()] == ["small-2"]
    assert len(tuner("queue", "list", "--all", "--json").json()) == 2
    shown = {sweep["id"]: sweep["status"] for sweep in tuner("list", "--json").json()}
    assert shown == {"small-1": "cancelled", "small-2": "queued"}


def test_an_empty_queue_says_what_to_do(tuner, place, ledger):
    assert "the queue is empty; `tuner submit SPEC`" in tuner("queue", "list").out
    assert "nothing recurs; `tuner schedule add`" in tuner("schedule", "list").out


def test_a_sweep_that_waits_for_its_first_driver_can_be_run_by_hand(tuner, place, ledger):
    tuner("submit", place / "small.yaml")
    options = ("--mlflow", "none", "--output", place, "--quiet")
    resumed = tuner("resume", "small", *options)
    assert (resumed.code, resumed.err) == (0, "")
    assert "torch" in ledger.load("small").environment
    assert ledger.summary("small-1").status == "done"
    assert tuner("resume", "small", *options).code == 0


NIGHTLY = ("schedule", "add", "nightly", "small.yaml", "--cron", "0 2 * * *", "--tz", "Europe/Berlin")


def test_a_sweep_recurs_is_listed_run_now_paused_resumed_and_removed(tuner, place, ledger, monkeypatch):
    monkeypatch.chdir(place)
    said = tuner(*NIGHTLY)
    assert said.code == 0, said.err
    assert said.out.startswith("nightly: At 02:00 every day (Europe/Berlin), next 20")
    (listed,) = tuner("schedule", "list", "--json").json()
    assert listed["schedule"]["name"] == "nightly"
    assert listed["schedule"]["next_due"] > time.time()
    assert listed["last"] is None
    assert "nightly was not due yet" in tuner("schedule", "history", "nightly").out
    assert tuner("schedule", "run-now", "nightly").out == "small-1 is queued; `tuner work` runs it\n"
    row = tuner("schedule", "list").out.splitlines()[1].split()
    assert (row[0], row[-1]) == ("nightly", "queued")
    assert tuner("schedule", "pause", "nightly").out == "nightly is paused\n"
    assert "paused" in tuner("schedule", "list").out
    assert tuner("schedule", "resume", "nightly").out.startswith("nightly runs again, next 20")
    (fired,) = tuner("schedule", "history", "nightly", "--json").json()
    assert (fired["sweep"], fired["state"], fired["decision"]) == ("small-1", "queued", "queued")
    assert "small-1" in tuner("schedule", "history", "nightly").out
    assert tuner("schedule", "remove", "nightly").out == "nightly is removed\n"
    assert ledger.queue.job("small-1").schedule is None


MISTAKES = [
    (("submit", "gone.yaml"), 2, "gone.yaml: no such file"),
    (("submit", "small.yaml", "--ray", "http://head:8265"), 2, "needs a store that head can reach"),
    (("queue", "cancel", "nothing"), 2, "unknown sweep 'nothing'"),
    ((*NIGHTLY[:5], "0 25 * * *"), 2, "--cron: expected five fields"),
    ((*NIGHTLY[:7], "Europe/Berln"), 2, "--tz: expected a time zone such as Europe/Berlin or UTC, got 'Europe/Berln'"),
    ((*NIGHTLY, "--catch-up", "soon"), 2, "--catch-up: expected a time such as 90s, 10m, 1h30m"),
    ((*NIGHTLY, "--overlap", "hope"), 2, "'skip', 'queue', 'replace'"),
    ((*NIGHTLY, "--webhook", "https://hooks.example/x"), 2, "hooks.example is not an allowed host (allowed: none)"),
    (("schedule", "pause", "nightly"), 2, "unknown recurring sweep 'nightly'"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: " ".join(mistake[0][:3]))
def test_a_mistake_is_one_message(tuner, place, ledger, monkeypatch, mistake):
    arguments, code, message = mistake
    monkeypatch.chdir(place)
    result = tuner(*arguments)
    assert result.code == code, result.out
    assert message in result.err
    assert ledger.sweeps() == []
    assert ledger.recurring.all() == []


def test_work_ends_when_it_is_told_to(tuner, place, ledger):
    """The signal comes as soon as somebody listens for it."""
    before = signal.getsignal(signal.SIGTERM)

    def stop():
        while signal.getsignal(signal.SIGTERM) is before:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop)
        result = tuner("work", "--output", place)
        stopped.result()
    assert (result.code, result.err) == (0, "")
    assert result.out == "at work; Ctrl-C ends it, and leaves the sweeps that run to themselves\n"
    assert signal.getsignal(signal.SIGTERM) is before
