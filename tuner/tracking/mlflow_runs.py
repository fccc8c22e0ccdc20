"""What stands in MLflow for a sweep: the one file that calls MLflow, through MlflowClient alone (no global state).

Parent run: named by the sweep's id; ``spec.yaml``, ``environment.json``, reports and ``summary.json`` as artifacts, the
best trial as tag ``tuner.best_trial`` and metrics ``best_<metric>``. Nested run of a trial: parameters under their flat
names, every curve by training step, the objectives' values as ``objective_<metric>``, the outcome as tag and status:

    completed -> FINISHED    pruned, lost -> KILLED    diverged, failed -> FAILED    paused -> SCHEDULED

Every write may be repeated: runs are found again by their tags, points carry the time of their event (MLflow keeps one
of several equal points), parameters never change. When a paused or lost trial runs again, its run goes on: a step
reported by two attempts is two points, equal in value (a trial's curve does not depend on where it ran) and different
in time, so that curves by step look the same and curves by wall time show the loss.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ParamSpec

from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.tracking import MlflowClient

from tuner.tracking.ending import SweepEnd
from tuner.tracking.mlflow_format import (
    TAG_LENGTH,
    artifact_location,
    entities_in_batches,
    metrics_at,
    milliseconds,
    update_of,
)
from tuner.tracking.wording import in_short
from tuner.trial import Event, Sweep, TrialRecord

P = ParamSpec("P")

REFUSED = (400, 404)  # in HTTP's words: the same request would be refused for ever


def answers(uri: str) -> None:
    """Ask MLflow anything; raises where it does not answer."""
    MlflowClient(uri).search_experiments(max_results=1)


class SweepRuns:
    """The runs of one sweep, found or created as they are needed.

    Every method may raise what MLflow raises; the caller then makes a new SweepRuns, which looks again, and repeats.
    """

    def __init__(self, uri: str, sweep: Sweep) -> None:
        self._client = MlflowClient(uri)
        self._sweep = sweep
        self._experiment = self._find_experiment(uri)
        # Two people may share a server and each have a `digits-1`: the time of creation tells the two apart.
        self._identity = {"tuner.sweep": sweep.id, "tuner.created_at": repr(sweep.created_at)}
        self._parent: str = ""
        self._best: str = ""
        self._trials: dict[str, str] = {}  # run ids by trial
        self._find_runs()

    @property
    def is_new(self) -> bool:
        """Whether MLflow had nothing of the sweep."""
        return not self._parent

    def write(self, events: Sequence[Event]) -> Counter[str]:
        """Write events; how many of them MLflow refused for good, by reason."""
        left_out = self._make_parent()
        histories: dict[int, list[Event]] = {}
        for event in events:
            histories.setdefault(event.trial, []).append(event)
        for trial, history in histories.items():
            left_out += self._write_trial(str(trial), history)
        return left_out

    def finish(self, end: SweepEnd) -> Counter[str]:
        """Artifacts and the best trial; the parent's status last."""
        left_out = self._make_parent()
        for path in end.artifacts:
            left_out += _keep(str(path), self._client.log_artifact, self._parent, str(path))
        if end.summary:
            left_out += _keep("summary.json", self._client.log_dict, self._parent, dict(end.summary), "summary.json")
        if end.best:
            left_out += self._mark_best(end.best, end.at)
        self._client.set_terminated(self._parent, "FINISHED" if end.complete else "KILLED", milliseconds(end.at))
        return left_out

    def close(self) -> None:
        """MLflow keeps its connections to itself."""

    # ---------------------------------------------------------------- finding and creating

    def _find_experiment(self, uri: str) -> str:
        name = f"tuner/{self._sweep.name}"
        found = self._client.get_experiment_by_name(name)
        if found:
            return str(found.experiment_id)
        return str(self._client.create_experiment(name, artifact_location=artifact_location(uri)))

    def _find_runs(self) -> None:
        """Read back which runs of this sweep there are."""
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in self._identity.items())
        token: str | None = None
        while token != "":
            page = self._client.search_runs([self._experiment], wanted, max_results=1_000, page_token=token)
            for run in page:
                self._remember(run)
            token = page.token or ""

    def _remember(self, run: Run) -> None:
        trial = run.data.tags.get("tuner.trial")
        if trial is not None:
            self._trials[trial] = run.info.run_id
            return
        self._parent = run.info.run_id
        self._best = run.data.tags.get("tuner.best_trial", "")
        if run.info.status != "RUNNING":
            self._client.update_run(self._parent, status="RUNNING")

    def _make_parent(self) -> Counter[str]:
        if self._parent:
            return Counter()
        sweep = self._sweep
        tags = self._identity | {
            "tuner.workload": str(sweep.spec.get("workload", "")),
            "tuner.objective": ", ".join(f"{o.direction} {o.metric}" for o in sweep.objectives),
            "tuner.seed": str(sweep.seed),
            "tuner.repeats": str(sweep.repeats),
            "tuner.spec_sha256": hashlib.sha256(sweep.spec_text.encode()).hexdigest(),
        }
        self._parent = self._create_run(sweep.id, sweep.created_at, tags)
        return _keep("spec.yaml", self._client.log_text, self._parent, sweep.spec_text, "spec.yaml") + _keep(
            "environment.json", self._client.log_dict, self._parent, dict(sweep.environment), "environment.json"
        )

    def _run_of(self, trial: str) -> str:
        if trial not in self._trials:
            raise MlflowException("no run in MLflow for a trial that was proposed before", RESOURCE_DOES_NOT_EXIST)
        return self._trials[trial]

    def _create_run(self, name: str, at: float, tags: dict[str, str]) -> str:
        cut = {key: value[:TAG_LENGTH] for key, value in tags.items()}
        run = self._client.create_run(self._experiment, start_time=milliseconds(at), tags=cut, run_name=name)
        return str(run.info.run_id)

    # ---------------------------------------------------------------- writing

    def _write_trial(self, trial: str, events: Sequence[Event]) -> Counter[str]:
        update = update_of(events)
        try:
            if update.name and trial not in self._trials:
                tags = self._identity | {"tuner.trial": trial, "mlflow.parentRunId": self._parent}
                self._trials[trial] = self._create_run(update.name, update.proposed_at, tags)
            run = self._run_of(trial)
            self._log(run, update.metrics, update.params, update.tags)
            if update.status in ("RUNNING", "SCHEDULED"):
                self._client.update_run(run, status=update.status)
            elif update.status:
                self._client.set_terminated(run, update.status, milliseconds(update.ended_at))
        except MlflowException as error:
            return _refused(error, len(events))
        left_out = Counter[str]()
        for name, text in update.long_params.items():
            left_out += _keep(name, self._client.log_text, run, text, f"params/{name}.txt")
        return left_out

    def _log(self, run: str, metrics: Sequence[Metric], params: dict[str, str], tags: dict[str, str]) -> None:
        for some in entities_in_batches(metrics, params, tags):
            self._client.log_batch(run, *some, synchronous=True)

    def _mark_best(self, best: TrialRecord, at: float) -> Counter[str]:
        """Mark the best trial; a mark that an earlier end of this sweep left elsewhere goes."""
        trial = str(best.spec.index)
        tags = {f"tuner.best_{kind}": str(best.spec.params.get(kind, "")) for kind in ("optimizer", "schedule")}
        metrics = {f"best_{metric}": value for metric, value in best.values.items()}
        try:
            run, before = self._run_of(trial), self._trials.get(self._best)
            if before and before != run:
                self._client.set_tag(before, "tuner.best", "false")
            self._client.set_tag(run, "tuner.best", "true")
            self._log(self._parent, metrics_at(0, at, metrics), {}, {"tuner.best_trial": trial, **tags})
        except MlflowException as error:
            return _refused(error, 1)
        self._best = trial
        return Counter()


def _refused(error: MlflowException, updates: int) -> Counter[str]:
    """``updates`` by the reason why MLflow refuses them for good; raises an error that may pass."""
    if error.get_http_status_code() not in REFUSED:
        raise error
    return Counter({in_short(error): updates})


def _keep(name: str, upload: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Counter[str]:
    """Upload an artifact; its failure is told and never retried: a curve must not wait for a report."""
    try:
        upload(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - artifact stores (S3, GCS, files, ...) raise errors of their own
        return Counter({f"artifact {name}: {in_short(error)}": 1})
    return Counter()
