"""The small programs of deploy/: making secrets, starting with a password file, probing, a Slurm job."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def run(*command, **environment):
    return subprocess.run(
        [*map(str, command)],
        env={"PATH": os.environ["PATH"], **{key: str(value) for key, value in environment.items()}},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


# ------------------------------------------------------------ make-secrets


@pytest.fixture
def secrets(tmp_path):
    folder = tmp_path / "secrets"
    assert run(DEPLOY / "make-secrets", folder).returncode == 0
    return folder


def test_the_secrets_are_those_of_the_compose_file(secrets):
    declared = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["secrets"]
    assert {place["file"] for place in declared.values()} == {
        f"deploy/secrets/{file.name}" for file in secrets.iterdir()
    }


def test_secrets_are_long_and_each_another(secrets):
    random = {file.name: re.findall(r"[0-9a-f]{64}", file.read_text()) for file in secrets.iterdir()}
    password, key = random.pop("mlflow_server")
    assert random["mlflow_client"] == [password]
    found = [key, *(one for (one,) in random.values())]
    assert len({*found}) == len(found) == 6


def test_nobody_else_on_the_host_reads_a_secret(secrets):
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o444}


def test_a_secret_that_is_there_stays(secrets):
    kept = {file.name: file.read_text() for file in secrets.iterdir()}
    (secrets / "ray_token").unlink()
    assert run(DEPLOY / "make-secrets", secrets).returncode == 0
    after = {file.name: file.read_text() for file in secrets.iterdir()}
    assert after.pop("ray_token") != kept.pop("ray_token")
    assert after == kept


def test_git_and_the_image_never_see_them():
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    allowed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!deploy")]
    assert allowed == ["!deploy/healthy", "!deploy/with-pgpass"]


# ------------------------------------------------------------ with-pgpass


def test_a_password_file_becomes_one_that_libpq_reads(tmp_path):
    secret = tmp_path / "pgpass"
    secret.write_text("*:*:*:tuner:word\n")
    secret.chmod(0o444)
    told = run(DEPLOY / "with-pgpass", "sh", "-c", 'cat "$PGPASSFILE"; stat -c %a "$PGPASSFILE"', PGPASSFILE=secret)
    assert told.stdout.split() == ["*:*:*:tuner:word", "600"]


def test_without_a_password_file_the_command_runs_as_it_is():
    told = run(DEPLOY / "with-pgpass", "sh", "-c", 'echo "${PGPASSFILE-none}"; exit 3')
    assert (told.stdout.strip(), told.returncode) == ("none", 3)


def test_a_missing_password_file_stops_it(tmp_path):
    told = run(DEPLOY / "with-pgpass", "echo", "started", PGPASSFILE=tmp_path / "nothing")
    assert told.returncode != 0
    assert "nothing" in told.stderr
    assert not told.stdout


# ------------------------------------------------------------ healthy


@pytest.mark.parametrize(("answer", "is_healthy"), [(200, True), (503, False), (401, False)])
def test_healthy_is_what_answers_with_success(answer, is_healthy):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        asked = threading.Thread(target=server.handle_request)
        asked.start()
        told = run(DEPLOY / "healthy", f"http://127.0.0.1:{server.server_port}/ready", http_proxy="http://127.0.0.1:9")
        asked.join()
    assert (told.returncode == 0) is is_healthy


def test_what_does_not_answer_is_not_healthy():
    assert run(DEPLOY / "healthy", "http://127.0.0.1:9/ready").returncode == 1


# ------------------------------------------------------------ slurm.sh

STUBS = {
    "scontrol": "echo node1; echo node2",
    "srun": 'echo "$@"; cat "$RAY_AUTH_TOKEN_PATH"',
    "tuner": """echo '{"spec": {"name": "digits"}}'""",
}


@pytest.mark.parametrize(
    ("restarts", "sweep"), [("0", "tuner run sweep.yaml --quiet"), ("1", "tuner resume digits --quiet")]
)
def test_a_slurm_job_begins_a_sweep_and_after_a_requeue_goes_on_with_it(tmp_path, restarts, sweep):
    for name, text in STUBS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_ID": 70123, "SLURM_NNODES": 2, "SLURM_CPUS_ON_NODE": 8, "SLURM_JOB_NODELIST": "node[1-2]"}
    told = subprocess.run(
        [DEPLOY / "slurm.sh", "sweep.yaml"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "TUNER_STORE": "postgresql://host/tuner",
            "SLURM_RESTART_COUNT": restarts,
            **{key: str(value) for key, value in job.items()},
        },
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    started, token = told.stdout.splitlines()
    assert started.endswith(f"-- env RAY_ADDRESS=node1:6379 {sweep}")
    assert "ray symmetric-run --address node1:6379 --min-nodes 2 --num-cpus 8" in started
    assert re.fullmatch(r"[0-9a-f]{64}", token)
    assert not [*tmp_path.glob(".ray-token*")]


def test_a_slurm_job_wants_a_database():
    told = run(DEPLOY / "slurm.sh", "sweep.yaml", SLURM_JOB_ID=1)
    assert told.returncode != 0
    assert "TUNER_STORE: expected postgresql" in told.stderr
