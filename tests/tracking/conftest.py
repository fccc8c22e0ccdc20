from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tuner.tracking.mlflow import ENVIRONMENT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # MLflow 3.17 uses a loader option that SQLAlchemy 2.1 deprecates; nothing of ours can avoid it.
    noload = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(noload)


@pytest.fixture(scope="session", autouse=True)
def mlflow_settings() -> None:
    """What the sink sets before it imports MLflow; these tests import MLflow themselves, to read back."""
    os.environ.update(ENVIRONMENT)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory, mlflow_settings: None) -> Path:
    """A SQLite store with MLflow's tables and nothing else: the migrations take seconds, a copy takes none."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - as the sink does: when its settings stand

    path = tmp_path_factory.mktemp("migrated") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(migrated: Path, tmp_path: Path) -> str:
    """The URI of a fresh store."""
    return f"sqlite:///{shutil.copy(migrated, tmp_path / 'mlflow.db')}"


@pytest.fixture
def told() -> list[str]:
    """Its ``append`` serves as ``warn``."""
    return []
