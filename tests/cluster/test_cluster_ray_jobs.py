"""Ray jobs by a cluster's HTTP interface, which is played here; the e2e tests meet the real one."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import httpx2
import pytest
from cluster_fakes import drafted, recurring

from tuner.cluster import Setting, ray_jobs, submission
from tuner.cluster.ray_jobs import RayJobs
from tuner.errors import ExecutorError, UsageError
from tuner.ledger import open_ledger
from tuner.ledger.holder import Holder

HEAD = "http://head:8265"
STORE = "postgresql://user:secret@db/tuner"


class Cluster:
    """Jobs by their names, and every request."""

    def __init__(self):
        self.jobs, self.asked, self.fault = {}, [], None

    def __call__(self, request):
        self.asked.append(request)
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault:
            return httpx2.Response(self.fault, text="Traceback ...\nNo available agent")
        path = request.url.path.removeprefix("/api/jobs/")
        if request.method == "POST" and not path:
            wanted = json.loads(request.content)
            self.jobs[wanted["submission_id"]] = {"status": "PENDING", "wanted": wanted}
            return httpx2.Response(200, json={"submission_id": wanted["submission_id"]})
        name, _, verb = path.partition("/")
        if name not in self.jobs:
            return httpx2.Response(404, text=f"Job {name} does not exist")
        if verb == "logs":
            return httpx2.Response(200, json={"logs": "\n".join(f"line {n}" for n in range(100))})
        if verb == "stop":
            self.jobs[name]["status"] = "STOPPED"
            return httpx2.Response(200, json={"stopped": True})
        return httpx2.Response(200, json=self.jobs[name])


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def ray(cluster):
    return RayJobs(Setting(store=STORE, output=None, grace=45.0), httpx2.MockTransport(cluster))


@pytest.fixture
def job():
    ledger = open_ledger("sqlite://")
    ledger.queue.submit(drafted(recurring("q"), 0.0, 1), owner="ada", target=HEAD, at=0.0)
    yield ledger.queue.take(Holder.here(), limit=1, per_owner=1, at=1.0)
    ledger.close()


def begun(ray, job):
    recorded = []
    ray.begin(job, recorded.append)
    return recorded[0]


def test_a_job_is_the_same_command_with_its_secrets_in_the_environment(ray, cluster, job):
    runner = begun(ray, job)
    ((name, known),) = cluster.jobs.items()
    assert runner == {"kind": "ray", "address": HEAD, "job": name}
    assert name.startswith("tuner-q-1-1-")
    wanted = known["wanted"]
    assert shlex.split(wanted["entrypoint"]) == ["python", "-m", "tuner", "resume", "q-1", "--quiet"]
    variables = {"TUNER_STORE": STORE, "MLFLOW_TRACKING_URI": "none", "RAY_JOB_STOP_WAIT_TIME_S": "45"}
    asks_nobody = {"TUNER_SERVER": "", "TUNER_TOKEN": ""}
    assert wanted["runtime_env"] == {"env_vars": variables | asks_nobody}
    assert "secret" not in wanted["entrypoint"] + json.dumps(wanted["metadata"]) + name


def test_the_name_is_on_record_before_the_cluster_hears_of_it(ray, cluster, job):
    def die(_runner):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ray.begin(job, die)
    assert cluster.asked == []


@pytest.mark.parametrize(
    ("facts", "condition"),
    [
        ({"status": "PENDING"}, "alive"),
        ({"status": "RUNNING"}, "alive"),
        ({"status": "SUCCEEDED", "driver_exit_code": 0}, "gone"),
        ({"status": "FAILED", "driver_exit_code": 1}, "gone"),
        ({"status": "FAILED", "driver_exit_code": 2}, "refused"),
        ({"status": "STOPPED"}, "gone"),
    ],
)
def test_how_a_job_stands_is_what_the_cluster_says(ray, cluster, job, facts, condition):
    runner = begun(ray, job)
    cluster.jobs[runner["job"]] = facts
    assert ray.condition(runner) == condition


@pytest.mark.parametrize("answer", [{}, [], "odd", {"status": "BAKING"}, {"status": ["RUNNING"]}], ids=str)
def test_an_answer_that_is_no_cluster_s_says_nothing(ray, cluster, job, answer):
    runner = begun(ray, job)
    cluster.jobs[runner["job"]] = answer
    assert ray.condition(runner) == "unseen"


def test_a_token_that_cannot_be_read_says_nothing_of_a_job(ray, job, monkeypatch):
    def refuse():
        raise PermissionError(13, "Permission denied")

    runner = begun(ray, job)
    monkeypatch.setattr(ray_jobs, "_authorization", refuse)
    assert ray.condition(runner) == "unseen"
    ray.stop(runner, hard=False)
    assert "Permission denied" in ray.words(replace(job, runner=runner))


def test_a_job_that_the_cluster_does_not_know_is_gone(ray, cluster, job):
    runner = begun(ray, job)
    cluster.jobs.clear()
    assert ray.condition(runner) == "gone"


@pytest.mark.parametrize("fault", [httpx2.ReadTimeout("too late"), httpx2.ConnectError("refused"), 500])
def test_a_cluster_that_does_not_answer_says_nothing_of_its_jobs(ray, cluster, job, fault):
    runner = begun(ray, job)
    cluster.fault = fault
    assert ray.condition(runner) == "unseen"
    ray.stop(runner, hard=False)
    assert "no log from the Ray cluster" in ray.words(job)


def test_a_job_is_stopped_and_its_last_words_are_short(ray, cluster, job):
    runner = begun(ray, job)
    ray.stop(runner, hard=False)
    assert ray.condition(runner) == "gone"
    assert ray.words(replace(job, runner=runner)).splitlines() == [f"line {n}" for n in range(92, 100)]


def test_a_job_that_is_refused_is_an_error_and_one_that_may_have_come_through_is_none(ray, cluster, job):
    cluster.fault = 500
    with pytest.raises(ExecutorError, match=r"http://head:8265 refuses the job \(500\): .*\nNo available agent"):
        begun(ray, job)
    cluster.fault = httpx2.ConnectError("connection refused")
    with pytest.raises(ExecutorError, match="http://head:8265 cannot be reached"):
        begun(ray, job)
    cluster.fault = httpx2.ReadTimeout("too late")
    assert begun(ray, job)["kind"] == "ray"


def test_a_cluster_with_tokens_is_shown_one(ray, cluster, job, monkeypatch, tmp_path):
    begun(ray, job)
    assert "authorization" not in cluster.asked[-1].headers
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "hush")
    begun(ray, job)
    assert cluster.asked[-1].headers["authorization"] == "Bearer hush"
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (tmp_path / "token").write_text("whisper\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    begun(ray, job)
    assert cluster.asked[-1].headers["authorization"] == "Bearer whisper"


def test_another_cluster_in_the_surroundings_is_not_meant(ray, cluster, job, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://another:8265")
    begun(ray, job)
    assert cluster.asked[-1].url.host == "head"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("http://127.0.0.1:8265", None),
        ("local", None),
        (HEAD, "a sweep on head needs a store that head can reach; a SQLite file is not"),
        ("ray://head:10001", "expected local or the address of a Ray cluster's dashboard such as http://head:8265"),
        ("head:8265", "expected local"),
        ("http://user:secret@head", "expected local"),
        ("http://127.0.0.1:abc", "got 'http://127.0.0.1:abc'"),
        ("http://127.0.0.1:99999999", "expected local"),
        ("http://127.0.0.1/\x01", "expected local"),
        ("http://[::1", "expected local"),
    ],
)
def test_a_target_is_checked_before_anything_is_queued(target, message):
    ledger = open_ledger("sqlite://")
    if message is None:
        submission.check_target(target, ledger)
    else:
        with pytest.raises(UsageError) as raised:
            submission.check_target(target, ledger)
        assert message in str(raised.value)
        assert "secret" not in str(raised.value)
    ledger.close()
