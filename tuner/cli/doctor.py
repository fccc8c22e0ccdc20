"""Is this machine ready? One line a check, with the remedy where it is not."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tuner.cli.output import DEFAULT_STORE, MANY, Json, Store, connected, out, place, print_json
from tuner.errors import TunerError

LIBRARIES = ("torch", "optuna", "ray", "mlflow", "sqlalchemy", "alembic", "pydantic", "scikit-learn")
LOW_DISK_BYTES = 1 * 2**30


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: ``status`` is ok, warning (works, but look) or failed."""

    name: str
    status: str
    detail: str


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    store: Store = DEFAULT_STORE,
    mlflow: Annotated[
        str | None, typer.Option("--mlflow", envvar="MLFLOW_TRACKING_URI", help="MLflow tracking URI.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check Python, libraries, devices, disk, the store and MLflow. Exit code 1 where something would fail."""
    checks = list(_checks(store, mlflow))
    if as_json:
        print_json(checks)
    else:
        colours = {"ok": "green", "warning": "yellow", "failed": "red"}
        for check in checks:
            out.print(
                f"[{colours[check.status]}]{check.status:8}[/] {check.name:12} {escape(check.detail)}", soft_wrap=True
            )
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(1)


def _checks(store: str, mlflow: str | None) -> Iterator[Check]:
    yield Check("python", "ok", f"{sys.version.split()[0]} ({sys.executable})")
    for library in LIBRARIES:
        yield _library(library)
    yield _guarded("device", _device)
    yield _disk(Path.cwd())
    yield _guarded("store", lambda: _store(store))
    yield _guarded("mlflow", lambda: _mlflow(mlflow))
    address = os.environ.get("RAY_ADDRESS")
    yield Check(
        "cluster", "ok", f"RAY_ADDRESS={address}" if address else "no RAY_ADDRESS: sweeps start Ray on this machine"
    )


def _library(name: str) -> Check:
    try:
        return Check(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "failed", "not installed; install tuner with its sweeps: pip install 'tuner[sweeps]'")


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except (TunerError, ImportError, OSError) as error:
        return Check(name, "failed", str(error))


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return Check("device", "ok", names)
    return Check("device", "ok", f"CPU, {os.cpu_count()} cores (torch sees no GPU)")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    status = "ok" if free > LOW_DISK_BYTES else "warning"
    return Check("disk", status, f"{free / 2**30:.1f} GiB free in {folder}")


def _store(store: str) -> Check:
    from tuner.tracking.wording import without_passwords

    with connected(store, create=True) as client:
        page = client.list(limit=MANY)
        return Check("store", "ok", f"{without_passwords(place(store))} ({len(page.items)} sweeps)")


def _mlflow(uri: str | None) -> Check:
    from tuner.tracking import probe
    from tuner.tracking.wording import without_passwords

    problem = probe(uri) if uri else None
    if problem:
        return Check("mlflow", "warning", f"{problem}; sweeps run all the same, `tuner sync` catches up later")
    return Check("mlflow", "ok", without_passwords(uri or "") or "a SQLite file beside the store")
