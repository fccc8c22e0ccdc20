"""What the paths say beyond what the client asks for: headers, events as they are sent, probes, measures, faults."""

from __future__ import annotations

import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from service_world import SPEC, queue_up, record

from tuner.analysis.leaderboard import leaders
from tuner.client import kept
from tuner.errors import StoreError
from tuner.service import state as shared
from tuner.service.routes import listening
from tuner.trial import Proposed, Started, TrialSpec


def blocks(text):
    """The fields of each event in a stream; comments are left out."""
    found = []
    for block in text.replace("\r", "").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        found += [fields] if fields else []
    return found


def test_events_as_a_browser_hears_them(looked_at):
    answer = looked_at.get("/sweeps/done-1/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    first, *told, status, over = blocks(answer.text)
    assert first == {"retry": "2000"}
    assert [int(one["id"]) for one in told] == list(range(1, len(told) + 1))
    assert told[0]["event"] == "proposed"
    assert (status["event"], over["event"]) == ("status", "over")
    assert status["data"] == over["data"] == '{"status": "done"}'
    assert "id" not in status  # a browser goes on sending the last event's


def test_a_client_that_lost_the_stream_hears_what_follows_and_nothing_twice(looked_at, monkeypatch):
    whole = blocks(looked_at.get("/sweeps/done-1/events").text)[1:-2]
    monkeypatch.setattr(listening, "SIZE", 7)
    for last in (0, 1, 20, len(whole), 10_000):
        told = blocks(looked_at.get("/sweeps/done-1/events", headers={"Last-Event-ID": str(last)}).text)[1:-2]
        assert told == whole[last:]
    assert looked_at.get("/sweeps/done-1/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_stream_of_what_is_not_there_or_not_to_be_heard_never_begins(looked_at):
    assert looked_at.get("/sweeps/nothing/events").status_code == 404
    assert looked_at.get("/sweeps/done-1/events", None).status_code == 401


def test_a_stream_tells_what_is_recorded_while_it_listens(service, monkeypatch):
    monkeypatch.setattr(listening, "BETWEEN", 0.02)
    ledger, sweep = service.ledger, queue_up(service.ledger)
    heard = []
    thread = threading.Thread(target=lambda: heard.append(service.get(f"/sweeps/{sweep}/events").text))
    thread.start()
    while service.app.state.service.streams == 0:
        time.sleep(0.01)
    spec = TrialSpec(sweep=sweep, index=0, params={"optimizer": "sgd"}, seed=0, total_steps=1)
    ledger.append(sweep, [Proposed(spec=spec, at=1.0)])
    ledger.append(sweep, [Started(trial=0, attempt=0, at=2.0, worker="w")])
    ledger.queue.cancel(sweep, 3.0)
    thread.join(10)
    told = [one["event"] for one in blocks(heard[0]) if "event" in one]
    assert [kind for kind in told if kind != "status"] == ["proposed", "started", "over"]
    assert service.app.state.service.streams == 0


def test_a_stream_holds_no_connection_while_nothing_happens(service, monkeypatch):
    pool = service.ledger._database.engine.pool
    sweep = queue_up(service.ledger)
    threads = [threading.Thread(target=service.get, args=(f"/sweeps/{sweep}/events",)) for _ in range(5)]
    for thread in threads:
        thread.start()
    while service.app.state.service.streams < len(threads):
        time.sleep(0.01)
    held = []
    for _ in range(20):
        held.append(pool.checkedout())
        time.sleep(0.02)
    service.ledger.queue.cancel(sweep, 1.0)
    for thread in threads:
        thread.join(10)
    assert min(held) == 0


def test_there_are_only_so_many_streams(looked_at, monkeypatch):
    monkeypatch.setattr(shared, "STREAMS", 0)
    refused = looked_at.get("/sweeps/done-1/events")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")


def test_one_token_does_not_hold_every_stream(service, monkeypatch):
    monkeypatch.setattr(listening, "BETWEEN", 0.02)
    monkeypatch.setattr(shared, "STREAMS_EACH", 3)
    sweep = queue_up(service.ledger)
    answers = []

    def listen():
        answers.append(service.get(f"/sweeps/{sweep}/events").status_code)

    threads = [threading.Thread(target=listen) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(answers) < 5:
        time.sleep(0.01)
    assert service.app.state.service.streams == 3
    assert answers == [429] * 5
    assert service.get(f"/sweeps/{sweep}/events?follow=false", "submit").status_code == 200  # another's
    service.ledger.queue.cancel(sweep, 1.0)
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == [200] * 3 + [429] * 5
    assert service.app.state.service.listeners == {}
    assert service.get(f"/sweeps/{sweep}/events").status_code == 200


def test_a_new_sweep_is_told_where_it_is_and_made_once(service):
    made = service.submit(SPEC, name="mine", priority=4)
    assert made.status_code == 201
    assert made.headers["Location"] == "/api/v1/sweeps/mine-1"
    assert (made.json()["owner"], made.json()["priority"]) == ("ada", 4)
    shown = service("GET", made.headers["Location"], "read").json()
    assert (shown["summary"]["status"], shown["job"]["state"]) == ("queued", "queued")
    assert shown["sweep"]["spec_text"] == SPEC


def test_what_a_state_does_not_allow_is_a_conflict(service):
    sweep = queue_up(service.ledger)
    service.post(f"/sweeps/{sweep}/cancel")
    again = service.post(f"/sweeps/{sweep}/cancel")
    assert again.status_code == 409
    assert again.json()["detail"].startswith(f"{sweep} cannot be cancelled")
    assert service.get(f"/sweeps/{sweep}/best").status_code == 409


def test_an_interrupted_sweep_of_the_command_line_is_queued_by_an_admin(service):
    sweep = record(service.ledger, "by-hand")
    assert service.post(f"/sweeps/{sweep}/resume").status_code == 403
    assert service.post(f"/sweeps/{sweep}/resume", "admin").json()["owner"] == "root"


def test_measures_are_prometheus_and_name_routes_never_paths(looked_at):
    for path in ("/sweeps/done-1", "/sweeps/done-2", "/sweeps/nothing", "/nothing/at/all"):
        looked_at.get(path)
    answer = looked_at("GET", "/metrics", "read")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    measures = {family.name: family.samples for family in text_string_to_metric_families(answer.text)}
    count = [one for one in measures["tuner_request_seconds"] if one.name.endswith("_count")]
    assert {one.labels["route"] for one in count} >= {"/api/v1/sweeps/{sweep}", "none"}
    assert not [one for one in count if "done" in one.labels["route"] or "nothing" in one.labels["route"]]
    assert {one.labels["status"]: one.value for one in measures["tuner_sweeps"]} == {"done": 3.0}
    outcomes = {one.labels["outcome"]: one.value for one in measures["tuner_trials"]}
    assert outcomes == {"completed": 24.0, "pruned": 3.0, "diverged": 3.0, "failed": 3.0}


def test_the_queue_is_measured(service):
    queue_up(service.ledger)
    assert 'tuner_jobs{state="queued"} 1.0' in service("GET", "/metrics", "read").text


def test_a_database_that_is_away_is_told_as_that(looked_at, monkeypatch):
    def away(*_, **__):
        raise StoreError("store postgresql://tuner:***@db.internal/tuner: the server is away")

    pages = looked_at.ledger.pages
    for name in ("held", "sweeps"):
        monkeypatch.setattr(pages, name, away)
    ready, listed = looked_at("GET", "/ready", None), looked_at.get("/sweeps")
    assert (ready.status_code, ready.json()["detail"]) == (503, "the database does not answer")
    assert (listed.status_code, listed.headers["Retry-After"]) == (503, "5")
    assert looked_at("GET", "/health", None).status_code == 200


def test_a_fault_of_the_service_shows_no_traceback(looked_at, monkeypatch):
    monkeypatch.setattr(looked_at.ledger.pages, "sweeps", lambda **_: 1 / 0)
    answer = looked_at.get("/sweeps")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "something went wrong in the service; its log says what"
    assert "ZeroDivision" not in answer.text


@pytest.mark.parametrize("path", ["/optimizers", "/schedules-registry", "/workloads", "/spaces"])
def test_what_there_is_to_name(looked_at, path):
    entries = looked_at.get(path).json()
    assert [entry["name"] for entry in entries] == sorted(entry["name"] for entry in entries)
    if path != "/spaces":
        assert all(entry["doc"] and "expected" in hyper for entry in entries for hyper in entry["hypers"].values())


def test_what_is_kept_of_sweeps_is_bounded(looked_at, monkeypatch):
    ledger = looked_at.ledger
    looks = kept.Kept(ledger)
    monkeypatch.setattr(kept, "MOST", looks.look("done-1").weight + looks.look("done-2").weight)
    first = looks.look("done-1")
    assert looks.look("done-2") is looks.look("done-2")
    assert looks.look("done-1") is first
    looks.look("other-1")
    assert looks.look("done-1") is first  # the last that was looked at
    assert len(looks._looks) == 2


def test_sweeps_that_wait_are_not_kept_without_end(service, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 5 * kept.LEAST)
    looks = kept.Kept(service.ledger)
    for _ in range(8):
        assert looks.look(queue_up(service.ledger)).position <= 1
    assert 1 < len(looks._looks) < 5


def test_one_leaderboard_is_kept_of_a_sweep_whatever_is_asked_for(looked_at, monkeypatch):
    made = []
    monkeypatch.setattr(kept, "leaders", lambda results, top: made.append(top) or leaders(results, top))
    look = kept.Kept(looked_at.ledger).look("done-1")
    results = kept.Results(look.sweep, look.records)
    for top in (1, 3, 2, 4, 5, 8, 1_000, 10, 7):
        assert look.leaderboard(top) == leaders(results, top)
    assert made == [1, 3, 6, 12]
    assert look._made == {}


def test_a_sweeps_records_are_read_once_for_each_position(looked_at, monkeypatch):
    reads = []
    trials = looked_at.ledger.trials
    monkeypatch.setattr(looked_at.ledger, "trials", lambda *a, **b: reads.append(a) or trials(*a, **b))
    for _ in range(3):
        for path in ("leaderboard", "best"):
            assert looked_at.get(f"/sweeps/other-1/{path}").status_code == 200
    assert len(reads) <= 1
