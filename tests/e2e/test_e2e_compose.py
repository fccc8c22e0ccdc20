"""The compose file's services at work together: a sweep over HTTP, from its submission to what MLflow shows of it."""

from __future__ import annotations

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import httpx2
import psycopg
import pytest
from e2e_stack import PATIENCE, Stack

from tuner import Client
from tuner.errors import StoreError
from tuner.trial import Finished, Proposed, Reported, Started

pytestmark = pytest.mark.timeout(900)  # some 40 s on two cores of their own, which they seldom are
SPEC = """\
name: e2e
workload: digits-mlp
objective: accuracy
budget: {trials: 4, steps: 2500}
evaluate_every: 500
executor: {name: ray, slots: 2, compile: false}
space:
  optimizer: {adamw: {lr: {log: [1e-4, 1e-1]}}, momentum: {lr: {log: [1e-3, 1]}}}
  schedule: [constant, cosine]
"""


@pytest.fixture(scope="module")
def stack():
    folder = Path(tempfile.mkdtemp(prefix="e2e", dir="/tmp"))  # Ray's sockets want a short path
    stack = Stack(folder)
    try:
        yield stack
    finally:
        stack.close()
        for log in sorted(folder.glob("*.log")):  # shown where a test fails
            print(f"---- {log.stem}\n{stack.words(log.stem)}")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def token(stack):
    """Made as the README says, before anything but the database is up."""
    stack.up("postgres")
    secret = stack.run("tuner", "tuner", "token", "add", "me", "--role", "admin").split()[-1]
    stack.up("mlflow", "ray-head", "ray-worker", "tuner")
    return secret


def test_nobody_comes_in_without_a_secret(stack, token):
    service, mlflow, ray = map(stack.here, ("http://localhost:8765", "http://mlflow:5000", "http://ray-head:8265"))
    assert httpx2.get(f"{service}/api/v1/sweeps").status_code == 401
    assert httpx2.get(f"{service}/api/v1/sweeps", headers=bearer("tuner_wrong_token")).status_code == 401
    assert httpx2.get(f"{service}/api/v1/sweeps", headers=bearer(token)).status_code == 200
    assert httpx2.get(f"{mlflow}/api/2.0/mlflow/experiments/search?max_results=1").status_code == 401
    assert httpx2.get(f"{mlflow}/health", headers={"Host": "evil.example"}).status_code == 200  # says nothing but OK
    strange = {"Host": "evil.example"}
    experiments = f"{mlflow}/api/2.0/mlflow/experiments/search?max_results=1"
    assert httpx2.get(experiments, headers=strange, auth=administrator(stack)).status_code == 403
    assert httpx2.get(f"{ray}/api/jobs/").status_code == 401
    assert httpx2.get(f"{ray}/api/jobs/", headers=bearer("wrong")).status_code == 403
    assert httpx2.get(f"{ray}/api/jobs/", headers=bearer(secret(stack, "ray_token"))).status_code == 200
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(stack, "tuner", password="no such")  # noqa: S106
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(stack, "mlflow", password=database_password(stack))


def test_trials_have_a_node_of_their_own(stack, token):
    asked = f"{stack.here('http://ray-head:8265')}/api/v0/nodes?detail=1"
    told = httpx2.get(asked, headers=bearer(secret(stack, "ray_token"))).raise_for_status().json()
    nodes = told["data"]["result"]["result"]
    assert {node["is_head_node"]: node["resources_total"].get("CPU", 0) for node in nodes} == {True: 0, False: 1}


def test_a_sweep_outlives_its_service(stack, token):
    with Client(server=stack.here("http://localhost:8765"), token=token) as client:
        job = client.submit(SPEC, target=stack.here("http://ray-head:8265"))
        story = client.events(job.sweep)
        told = []
        for one in story:
            told.append(one)
            if isinstance(one.event, Reported):
                break
        before = client.standing(job.sweep)
        assert before.word == "running"

        stack.kill("tuner")
        with pytest.raises(StoreError):
            client.standing(job.sweep)
        stack.up("tuner")
        after = client.standing(job.sweep)
        told += story
        ended = client.wait(job.sweep, timeout=PATIENCE)
        best = client.best(job.sweep)

    # The service found the job that the one before had begun; nobody began it again.
    assert after.job.runner == before.job.runner
    assert (ended.word, ended.job.runs, ended.job.losses) == ("done", 1, 0)
    # One story, in order, told across both services without a gap or a repetition.
    assert all(one.position < other.position for one, other in pairwise(told))
    for kind in (Proposed, Started, Finished):
        assert sorted(one.event.trial for one in told if isinstance(one.event, kind)) == [*range(4)]
    assert sum(isinstance(one.event, Reported) for one in told) == 20

    with connect(stack, "tuner", password=database_password(stack)) as database:
        rows = database.execute("SELECT status, recorded FROM sweeps WHERE id = %s", [job.sweep]).fetchall()
        assert rows == [("done", told[-1].position)]
    runs = mlflow_runs(stack, "tuner/e2e")
    trials = {run["data"]["tags"]["tuner.trial"]: run for run in runs if "tuner.trial" in run["data"]["tags"]}
    assert {run["info"]["status"] for run in trials.values()} == {"FINISHED"}
    assert sorted(map(int, trials)) == [*range(4)]
    winner = trials[str(best.trials[0])]["data"]["metrics"]["objective_accuracy"]
    assert winner == pytest.approx(best.values["accuracy"].mean)
    # The report is MLflow's, and lies in the volume that the service, the driver and the workers share.
    assert [*(stack.folder / "var" / "mlflow").rglob("report.html")]
    assert (stack.folder / "var" / "tuner" / "tuner-output" / job.sweep / "report.html").exists()


def mlflow_runs(stack, experiment):
    with httpx2.Client(base_url=stack.here("http://mlflow:5000/api/2.0/mlflow"), auth=administrator(stack)) as rest:
        found = rest.get("/experiments/get-by-name", params={"experiment_name": experiment}).raise_for_status().json()
        wanted = {"experiment_ids": [found["experiment"]["experiment_id"]], "max_results": 100}
        runs = rest.post("/runs/search", json=wanted).raise_for_status().json()["runs"]
    for run in runs:
        for kind in ("tags", "metrics"):
            run["data"][kind] = {pair["key"]: pair["value"] for pair in run["data"].get(kind, ())}
    return runs


def administrator(stack):
    fields = dict(line.split(" = ") for line in secret(stack, "mlflow_client").splitlines()[1:])
    return fields["mlflow_tracking_username"], fields["mlflow_tracking_password"]


def database_password(stack):
    return secret(stack, "tuner_pgpass").split(":")[4]


def secret(stack, name):
    return (stack.secrets / name).read_text().strip()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def connect(stack, database, password):
    place = {"host": "127.0.0.1", "port": stack.ports[5432], "user": "tuner", "password": password}
    return psycopg.connect(**place, dbname=database)
