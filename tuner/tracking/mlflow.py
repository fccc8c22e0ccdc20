"""MLflow as a place that shows sweeps; MLflow itself is imported only where something is to be shown.

One parent run a sweep, one nested run a trial; ``mlflow_runs`` says what stands in them.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from tuner.errors import UsageError
from tuner.tracking.mlflow_uri import address, check_opens, check_uri, sqlite_file
from tuner.tracking.place import Place
from tuner.tracking.wording import in_short
from tuner.trial import Sweep

if TYPE_CHECKING:
    from tuner.tracking.mlflow_runs import SweepRuns

# MlflowClient takes these from the environment only. The courier tries again, so that MLflow itself need not; the
# user's own settings win.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def mlflow_place(uri: str, sweep: Sweep) -> Place:
    """A sweep in MLflow at a tracking URI: ``sqlite:///mlflow.db``, ``http://host:5000``."""
    return Place("mlflow", address(uri), partial(_connect, uri, sweep), partial(_check, uri))


def probe(uri: str) -> str | None:
    """What would keep sweeps out of MLflow at ``uri``, in a line; None where nothing does. Takes seconds at most."""
    try:
        _check(uri)
        file = sqlite_file(uri)
        if file and not file.exists():
            return None  # the first sweep makes it
        _prepare()
        from tuner.tracking.mlflow_runs import answers  # noqa: PLC0415 - see _connect

        answers(uri)
    except UsageError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - any failure is the answer
        return f"mlflow: {address(uri)}: {in_short(error)}"
    return None


def _check(uri: str) -> None:
    check_uri(uri)
    check_opens(uri)


def _connect(uri: str, sweep: Sweep) -> SweepRuns:
    _prepare()
    from tuner.tracking.mlflow_runs import SweepRuns  # noqa: PLC0415 - importing MLflow takes seconds: not before now

    return SweepRuns(uri, sweep)


def _prepare() -> None:
    """What must be so before MLflow is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
