"""Launching: run, resume, rerun, sync."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from tuner.cli.output import (
    DEFAULT_STORE,
    Json,
    Store,
    SweepId,
    Terminal,
    asks_service,
    connected,
    err,
    opened,
    out,
    print_curve,
    print_json,
    warn,
)
from tuner.errors import UsageError

if TYPE_CHECKING:
    from tuner.launch import Ending, Setting
    from tuner.ledger import SqlLedger

Mlflow = Annotated[
    str | None,
    typer.Option(
        "--mlflow",
        envvar="MLFLOW_TRACKING_URI",
        help="MLflow tracking URI, or `none`; by default a SQLite file beside the store.",
        show_default=False,
    ),
]
OptunaStorage = Annotated[
    str | None,
    typer.Option(
        "--optuna-storage",
        envvar="TUNER_OPTUNA_STORAGE",
        help="A database of its own for Optuna's tables, which optuna-dashboard and `optuna.load_study` open.",
        show_default=False,
    ),
]
Output = Annotated[Path, typer.Option("--output", help="Folder for reports.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; the result only.")]
DEFAULT_OUTPUT = Path("tuner-output")
NAMES = {"mlflow": "MLflow", "optuna": "Optuna's tables"}
TOLERANCE = 1e-4  # how far a curve may drift when it is trained again on other hardware, relative


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (run, resume, rerun, sync):
        app.command()(command)


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A sweep's YAML file.", show_default=False)],
    store: Store = DEFAULT_STORE,
    mlflow: Mlflow = None,
    output: Output = DEFAULT_OUTPUT,
    optuna_storage: OptunaStorage = None,
    check: Annotated[bool, typer.Option("--check", help="Check the spec and its workload, then stop.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run a sweep to its end. Ctrl-C stops it cleanly; `tuner resume` goes on."""
    from tuner import launch, wiring
    from tuner.spec import load

    sweep_spec = wiring.located(load(spec), spec.parent)
    if check:
        prepared = wiring.prepare(sweep_spec)
        searched, steps = list(prepared.space.distributions()), prepared.budget.steps
        if as_json:
            print_json({"spec": sweep_spec.dump(), "searched": searched, "steps": steps})
        else:
            out.print(f"{spec} is a valid sweep: {len(searched)} searched parameters, {steps} steps a trial")
        return
    with opened(store, create=True) as ledger:
        setting = _setting(ledger, store, mlflow, optuna_storage, output, quiet)
        _conclude(launch.start(sweep_spec, spec.read_text(encoding="utf-8"), setting), setting, as_json)


def resume(
    sweep: SweepId,
    store: Store = DEFAULT_STORE,
    mlflow: Mlflow = None,
    output: Output = DEFAULT_OUTPUT,
    optuna_storage: OptunaStorage = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on with other code or libraries than it was begun with.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Go on with a sweep that was interrupted: recorded trials stay, the others run. One driver at a time.

    A service that is asked puts it into its queue.
    """
    from tuner import launch

    if asks_service():
        with connected(store) as client:
            job = client.resume(sweep)
        print_json(job) if as_json else out.print(f"{job.sweep} is queued", markup=False)
        return
    with opened(store) as ledger:
        setting = _setting(ledger, store, mlflow, optuna_storage, output, quiet)
        _conclude(launch.go_on(ledger.load(sweep), setting, accept_changes=accept_changes), setting, as_json)


def rerun(
    sweep: SweepId,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.", min=0)],
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Train one recorded trial again, in this process, and compare its curve with the recorded one."""
    from tuner import again

    with opened(store) as ledger:
        found = ledger.load(sweep)
        record = ledger.trial(found.id, trial)
    repeated = again.rerun(found, record)
    same = repeated.is_same(record, TOLERANCE)
    if as_json:
        print_json({"sweep": found.id, "trial": trial, "same": same, "recorded": record.state.value, "again": repeated})
    else:
        print_curve(repeated.curve)
        if repeated.note:
            out.print(repeated.note, markup=False)
        gap = (
            "no evaluations to compare"
            if repeated.difference is None
            else f"largest difference {repeated.difference:.1e}"
        )
        verdict = "the same as recorded" if same else "NOT the same as recorded"
        states = f"{repeated.state.value}, recorded {record.state.value}, {gap}"
        out.print(f"{found.id} trial {trial}: {verdict} ({states})", markup=False)
    if not same:
        raise typer.Exit(1)


def sync(
    sweep: SweepId,
    store: Store = DEFAULT_STORE,
    mlflow: Mlflow = None,
    output: Output = DEFAULT_OUTPUT,
    optuna_storage: OptunaStorage = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Everything once more, not only what has not arrived yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Deliver what MLflow, or a database of Optuna's, has not heard of a sweep yet: after an outage, or elsewhere."""
    from tuner import again, launch, wiring
    from tuner.space import Space

    with opened(store) as ledger:
        found = ledger.load(sweep)
        setting = _setting(ledger, store, mlflow, optuna_storage, output, quiet=True)
        space = wiring.recorded(found).space if setting.optuna else Space(branches=(), shared={})
        places = launch.places(found, space, setting)
        if not places:
            raise UsageError("sync: expected an MLflow URI or --optuna-storage, got none")
        refused = again.sync(found, ledger, places, output, from_start=from_start)
    for reason, count in refused.items():
        warn(f"{count} updates were refused: {reason}")
    if as_json:
        print_json({"sweep": found.id, **{place.kind: place.address for place in places}, "refused": refused})
        return
    for place in places:
        out.print(f"{found.id} is in {NAMES[place.kind]} at {place.address}", markup=False, soft_wrap=True)


def _setting(
    ledger: SqlLedger, store: str, mlflow: str | None, optuna_storage: str | None, output: Path, quiet: bool
) -> Setting:
    from tuner.launch import Setting

    console = Terminal(stderr=True, quiet=quiet, highlight=False)
    uri = _mlflow(store, mlflow)
    url = _optuna(optuna_storage, store, uri)
    return Setting(ledger=ledger, mlflow=uri, optuna=url, output=output, console=console, warn=warn)


def _optuna(given: str | None, store: str, mlflow: str | None) -> str | None:
    """The database for Optuna's tables; some have the names of others that the ledger or MLflow keep."""
    if not given or given == "none":
        return None
    from tuner.search.mirror import check_storage
    from tuner.tracking import address

    check_storage(given)
    for other, whose in ((store, "the ledger"), (mlflow, "MLflow")):
        if other and address(other) == address(given):
            raise UsageError(
                f"--optuna-storage: {address(given)} is the database of {whose}, whose tables have the same names; "
                "give one of its own, e.g. sqlite:///optuna.db"
            )
    return given


def _mlflow(store: str, given: str | None) -> str | None:
    if given == "none":
        return None
    if given:
        from tuner.tracking import check_uri

        check_uri(given)
        return given
    path = store.removeprefix("sqlite:///").partition("?")[0] if store.startswith("sqlite:///") else ""
    return f"sqlite:///{Path(path).with_name('mlflow.db')}" if path else "sqlite:///mlflow.db"


def _conclude(ending: Ending, setting: Setting, as_json: bool) -> None:
    """Say what won, where to look, and how to go on."""
    from tuner.analysis.leaderboard import leaderboard
    from tuner.tracking.wording import without_passwords
    from tuner.trial import INTERRUPTED

    sweep, summary = ending.sweep, ending.summary
    uri = without_passwords(setting.mlflow or "")
    interrupted = summary.status == INTERRUPTED
    if as_json:
        print_json(
            {
                "sweep": sweep.id,
                "status": summary.status,
                "outcomes": {state.value: count for state, count in summary.outcomes.items()},
                "steps": summary.steps,
                "seconds": summary.seconds,
                "leaderboard": leaderboard(sweep, ending.records),
                "report": ending.report,
                "mlflow": setting.mlflow and without_passwords(setting.mlflow),
                "optuna": setting.optuna and without_passwords(setting.optuna),
                "note": summary.note,
            }
        )
    else:
        out.print(leaderboard(sweep, ending.records).as_table())
        outcomes = ", ".join(f"{count} {state.value}" for state, count in summary.outcomes.items()) or "no trial ended"
        out.print(f"\n{outcomes}; {summary.steps:,} training steps in {summary.seconds:.1f} s")
        out.print(f"report   {escape(str(ending.report))}", soft_wrap=True)
        if summary.note:
            out.print(f"note     {summary.note}: `tuner resume {sweep.id}` gives it as long again", soft_wrap=True)
        if uri.startswith(("sqlite:", "postgresql", "mysql", "mssql", "file:")):
            out.print(f"mlflow   {_mlflow_command()} ui --backend-store-uri {escape(uri)}", soft_wrap=True)
        elif uri:
            out.print(f"mlflow   {escape(uri)}", soft_wrap=True)
        if setting.optuna:
            out.print(f"optuna   optuna-dashboard {escape(without_passwords(setting.optuna))}", soft_wrap=True)
    if interrupted:
        err.print(f"interrupted; nothing recorded is lost: `tuner resume {sweep.id}` goes on", style="yellow")
        raise typer.Exit(130)


def _mlflow_command() -> str:
    """MLflow's command as it can be typed here: the one beside this Python, unless the shell finds it by itself."""
    beside = Path(sys.executable).with_name("mlflow")
    if shutil.which("mlflow") or not beside.exists():
        return "mlflow"
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)
