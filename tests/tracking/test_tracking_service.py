"""The sink against MLflow over HTTP: refusing, silent, and late."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow_reading import read
from tracking_outgoing import Recorded, ended, synced
from tracking_story import OUTCOMES, record, story

from tuner.errors import TunerError
from tuner.tracking import probe

AT_ONCE = 2.0  # seconds: a busy machine's scheduling, far below any of MLflow's own timeouts


@pytest.fixture
def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def timed_writes(sink: Recorded) -> float:
    """The slowest of many writes, in seconds."""
    slowest = 0.0
    for event in story() * 20:
        began = time.perf_counter()
        sink.write([event])
        slowest = max(slowest, time.perf_counter() - began)
    return slowest


def test_a_refusing_uri_costs_one_warning_while_running_and_one_at_the_end(free_port: int, told: list[str]):
    sink = Recorded(f"http://user:secret@127.0.0.1:{free_port}", told.append, linger_s=0.0)
    assert timed_writes(sink) < AT_ONCE
    deadline = time.monotonic() + 60
    while not told and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told[0] == f"mlflow: http://user:***@127.0.0.1:{free_port}: Connection refused; retrying, the sweep goes on"
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 10
    assert len(told) == 2
    assert told[1].startswith(f"mlflow: {20 * len(story()) + 1} updates did not reach")
    assert "`tuner sync digits-1`" in told[1]
    assert "secret" not in told[1]
    sink.close()
    assert len(told) == 2


def test_a_silent_server_bounds_close(silent_port: int, told: list[str]):
    sink = Recorded(f"http://127.0.0.1:{silent_port}", told.append, drain_s=0.5, linger_s=0.0)
    assert timed_writes(sink) < AT_ONCE
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 3
    (line,) = told
    assert "still busy after 0.5 s" in line


def test_sync_to_a_refusing_uri_is_a_named_error(free_port: int):
    with pytest.raises(TunerError, match=r"^mlflow: http://127.*: Connection refused; start or correct it"):
        synced(f"http://127.0.0.1:{free_port}", story())


def test_probe_tells_a_server_that_is_not_there_from_a_store_that_is(free_port: int, store: str, tmp_path: Path):
    assert probe(store) is None
    assert probe(f"http://127.0.0.1:{free_port}") == f"mlflow: http://127.0.0.1:{free_port}: Connection refused"
    assert "expected a URI" in (probe("nowhere://x") or "")
    assert probe(f"sqlite:///{tmp_path}/new.db") is None
    assert not (tmp_path / "new.db").exists()


def test_a_server_that_comes_late_gets_everything(free_port: int, store: str, tmp_path: Path, told: list[str]):
    uri = f"http://127.0.0.1:{free_port}"
    sink = Recorded(uri, told.append, linger_s=0.0)
    sink.write(story()[:7])
    deadline = time.monotonic() + 60
    while not told and time.monotonic() < deadline:
        time.sleep(0.05)
    folders = ["--backend-store-uri", store, "--artifacts-destination", str(tmp_path / "artifacts")]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", str(free_port), "--workers", "1", *folders],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        sink.write(story()[7:])
        report = tmp_path / "report.html"
        report.write_text("<p>late")
        sink.finish(ended(record(4, accuracy=0.97), artifacts=(report,)))
        until_listening(free_port)
        sink.close()
        assert len(told) == 1, told
        seen = read(uri)
        assert {n: run.data.tags["tuner.outcome"] for n, run in seen.children.items()} == OUTCOMES
        assert {point[0] for point in seen.curve(4, "accuracy")} == {10, 20, 30}
        assert seen.parent.data.tags["tuner.best_trial"] == "4"
        assert seen.artifact(seen.parent, "report.html", tmp_path / "got") == "<p>late"
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)


def until_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the MLflow server did not start")
