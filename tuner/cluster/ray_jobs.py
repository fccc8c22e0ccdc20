"""Sweeps as Ray jobs: their drivers run on the cluster, whatever becomes of the runner.

Spoken to by Ray's own HTTP interface (its documentation, "Ray Jobs REST API"), with a time limit on every call. Ray's
Python client has none, and goes to ``RAY_ADDRESS`` whatever address it is given.
"""

from __future__ import annotations

import os
import shlex
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2

from tuner.cluster.backend import REFUSED, Condition, Setting, last_words
from tuner.errors import ExecutorError
from tuner.ledger import Job

SECONDS = 10.0  # for one answer
_ALIVE = ("PENDING", "RUNNING")
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


class RayJobs:
    """Submits ``tuner resume`` to the cluster that a job names, and asks there how it goes."""

    def __init__(self, setting: Setting, transport: httpx2.BaseTransport | None = None) -> None:
        self._setting, self._transport = setting, transport

    def begin(self, job: Job, record: Callable[[Mapping[str, Any]], None]) -> None:
        """Submit a job under a name that is on record before. Raises ExecutorError where the cluster refuses it."""
        name = f"tuner-{job.sweep}-{job.runs}-{uuid.uuid4().hex[:8]}"
        record({"kind": "ray", "address": job.target, "job": name})
        environment = {"MLFLOW_TRACKING_URI": "none", **self._setting.environment()}
        wanted = {
            "entrypoint": shlex.join(["python", "-m", "tuner", "resume", job.sweep, "--quiet"]),
            "submission_id": name,
            "metadata": {"sweep": job.sweep, "owner": job.owner},
            "runtime_env": {
                "env_vars": {**environment, "RAY_JOB_STOP_WAIT_TIME_S": str(round(self._setting.grace))},
            },
        }
        try:
            answer = self._call(job.target, "POST", "", json=wanted)
        except httpx2.ConnectError as error:
            raise ExecutorError(f"the Ray cluster at {job.target} cannot be reached ({error})") from error
        except httpx2.HTTPError:  # it may have come through: the name tells, when it is next looked at
            return
        if answer.is_error:
            raise ExecutorError(
                f"the Ray cluster at {job.target} refuses the job ({answer.status_code}): {last_words(answer.text)}"
            )

    def condition(self, runner: Mapping[str, Any]) -> Condition:
        """What the cluster says of a job; one that it does not know has ended with an earlier cluster."""
        try:
            answer = self._call(runner["address"], "GET", runner["job"])
            if answer.status_code == httpx2.codes.NOT_FOUND:
                return "gone"
            known = answer.raise_for_status().json()
            status, code = known["status"], known.get("driver_exit_code")
        except (httpx2.HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError):
            return "unseen"  # what answers there need not be a cluster
        if status in _ENDED:
            return "refused" if code == REFUSED else "gone"
        return "alive" if status in _ALIVE else "unseen"

    def stop(self, runner: Mapping[str, Any], *, hard: bool) -> None:  # noqa: ARG002 - the cluster kills by itself
        """Ask the cluster to stop a job: politely first, after the runner's time of grace by force."""
        try:
            self._call(runner["address"], "POST", f"{runner['job']}/stop")
        except (httpx2.HTTPError, OSError):  # asked again when the time of grace is over
            return

    def words(self, job: Job) -> str:
        """The last lines of a job's log."""
        runner = job.runner or {}
        try:
            answer = self._call(runner["address"], "GET", f"{runner['job']}/logs").raise_for_status()
            return last_words(str(answer.json()["logs"]))
        except (httpx2.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
            return f"no log from the Ray cluster: {error}"

    def _call(self, address: str, method: str, path: str, **content: Any) -> httpx2.Response:
        with httpx2.Client(timeout=SECONDS, transport=self._transport, headers=_authorization()) as client:
            return client.request(method, f"{address.rstrip('/')}/api/jobs/{path}", **content)


def _authorization() -> dict[str, str]:
    """The header that a cluster with token authentication wants, by Ray's own variables."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return {}
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    token = os.environ.get("RAY_AUTH_TOKEN") or (file.read_text(encoding="utf-8") if file.is_file() else "")
    return {"Authorization": f"Bearer {token.strip()}"} if token.strip() else {}
