"""Two hundred kills over a sweep of five hundred trials: workers, raylets, drivers, MLflow's server, PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager

import pytest
from kills import SWEEP, Driver, check, kill_raylet, kill_worker, rampage, spec_text

from tuner.ledger import open_ledger

KILLS, TRIALS, STEPS, EVERY = 200, 500, 1500, 100
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


class MlflowServer:
    """MLflow's own server on SQLite; it begins again after each kill."""

    def __init__(self, folder):
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri, self._folder = f"http://127.0.0.1:{self.port}", folder
        self._start()

    def _start(self):
        kept = ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1", *kept]
        self._process = subprocess.Popen(
            [*command, "--artifacts-destination", str(self._folder / "kept")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def wait(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.2)
        raise AssertionError("MLflow's server does not come up")

    def kill(self):
        self.close()
        self._start()
        return True

    def close(self):
        os.killpg(self._process.pid, signal.SIGKILL)  # its workers as well
        self._process.wait()


def shown(uri):
    """How many finished runs each trial has in MLflow."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - when its settings stand

    client = MlflowClient(uri)
    experiments = [each.experiment_id for each in client.search_experiments(filter_string="name LIKE 'tuner/%'")]
    runs = client.search_runs(experiments, max_results=50_000)
    return Counter(int(run.data.tags["tuner.trial"]) for run in runs if "tuner.outcome" in run.data.tags)


@contextmanager
def mlflow_server(folder):
    server = MlflowServer(folder)
    try:
        server.wait()
        yield server
    finally:
        server.close()


@pytest.mark.timeout(6 * 3600)
def test_two_hundred_kills(postgres, tmp_path, monkeypatch):
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    chance, store = random.Random(0), postgres.database()  # noqa: S311 - no secret
    executor = "{name: ray, workers: 2, slots: 4, compile: false, checkpoint_every: 0.5}"

    def crash():
        postgres.stop()
        postgres.start()
        return True

    with closing(open_ledger(store)) as ledger, mlflow_server(tmp_path) as server:
        driver = Driver(tmp_path, store, spec_text(TRIALS, STEPS, EVERY, executor), mlflow=server.uri)
        prey = {
            "worker": (10, lambda: kill_worker(ledger, chance)),
            "PostgreSQL": (4, crash),
            "driver": (2, lambda: driver.kill() is None),
            "raylet": (2, lambda: kill_raylet(driver)),
            "MLflow": (2, server.kill),
        }
        began = time.monotonic()
        try:
            done = rampage(driver, ledger, prey, kills=KILLS, trials=TRIALS, seed=1)
            taken = time.monotonic() - began
            found = check(ledger, trials=TRIALS, steps=STEPS, every=EVERY)
        finally:
            driver.close()
        print(f"{dict(done)} in {taken:.0f} s; {dict(found)}; drivers ended with {dict(driver.ends)}")
        assert done.total() == KILLS
        assert set(done) == set(prey)
        server.wait()
        command = [sys.executable, "-m", "tuner", "sync", SWEEP, "--store", store, "--mlflow", server.uri]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        assert shown(server.uri) == Counter(dict.fromkeys(range(TRIALS), 1))
