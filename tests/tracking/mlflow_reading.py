"""What a person would see in MLflow, read back through its client."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Points = set[tuple[int, float, int]]  # (step, value, milliseconds)


@dataclass
class Reading:
    """Every run of a store. ``children`` are by trial."""

    client: Any
    parents: list[Any]
    children: dict[int, Any]

    @property
    def parent(self) -> Any:
        (parent,) = self.parents
        return parent

    def curve(self, trial: int, key: str) -> Points:
        history = self.client.get_metric_history(self.children[trial].info.run_id, key)
        points = [(m.step, m.value, m.timestamp) for m in history]
        assert len(points) == len(set(points)), "a point is there twice"
        return set(points)

    def artifact(self, run: Any, name: str, folder: Path) -> str:
        folder.mkdir(exist_ok=True)
        return Path(self.client.download_artifacts(run.info.run_id, name, str(folder))).read_text()


def read(uri: str, filter_string: str = "") -> Reading:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - as the sink does: when its settings stand

    client = MlflowClient(uri)
    experiments = [e.experiment_id for e in client.search_experiments(filter_string="name LIKE 'tuner/%'")]
    runs = client.search_runs(experiments, filter_string, max_results=1_000)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    by_trial = {int(run.data.tags["tuner.trial"]): run for run in children}
    assert len(by_trial) == len(children), "a trial has two runs"
    return Reading(client, [run for run in runs if run not in children], by_trial)
