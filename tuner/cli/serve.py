"""The service: HTTP, and the queue's runner, in one process."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.output import DEFAULT_STORE, Store, out, refuse_service, warn
from tuner.cli.sweeps import DEFAULT_OUTPUT, Mlflow, Output
from tuner.errors import UsageError

if TYPE_CHECKING:
    from tuner.ledger import SqlLedger

PATIENCE = 2.0  # seconds that a request waits for a database that is away


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    store: Store = DEFAULT_STORE,
    host: Annotated[str, typer.Option(envvar="TUNER_HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="TUNER_PORT", help="The port; 0 takes a free one.", min=0, max=65535)] = (
        8765
    ),
    mlflow: Mlflow = None,
    mlflow_pages: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="TUNER_MLFLOW_PAGES",
            help="Where browsers reach MLflow, if that is elsewhere.",
            show_default=False,
        ),
    ] = None,
    output: Output = DEFAULT_OUTPUT,
    concurrency: Annotated[
        int, typer.Option(envvar="TUNER_CONCURRENCY", help="Sweeps at a time on this machine.", min=1)
    ] = 1,
    per_owner: Annotated[int, typer.Option(help="Sweeps at a time of one owner, everywhere.", min=1)] = 1000,
    grace: Annotated[float, typer.Option(help="Seconds that a sweep has to stop, before it is killed.", min=0)] = 60.0,
    workloads: Annotated[
        str | None,
        typer.Option(
            envvar="TUNER_WORKLOADS",
            help="The workloads that specs may name, with commas; every registered one by default.",
            show_default=False,
        ),
    ] = None,
    ray: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            envvar="TUNER_RAY",
            help="A Ray cluster (its dashboard's address) that sweeps may be sent to; repeatable.",
            show_default=False,
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            envvar="TUNER_ALLOWED_HOSTS",
            help="A name that the service answers to, besides localhost and --host; repeatable.",
            show_default=False,
        ),
    ] = None,
    runner: Annotated[
        bool, typer.Option("--runner/--no-runner", help="Whether to work off the queue and the calendar, too.")
    ] = True,
) -> None:
    """Serve sweeps over HTTP and run what is in the queue, until Ctrl-C or SIGTERM. Sweeps that run go on then."""
    refuse_service()
    from tuner.cluster import Runner, Scheduler, Setting, Work
    from tuner.launch import interruptible
    from tuner.ledger import LOCAL, open_ledger
    from tuner.tracking.mlflow_link import pages_of

    try:
        from tuner.service import Settings, allowed_workloads, create_app, is_loopback
        from tuner.service.serve import address_of, listen
        from tuner.service.serve import serve as answer
        from tuner.service.settings import AT_HOME
    except ModuleNotFoundError as error:
        raise UsageError(f"{error}; `tuner serve` needs more: pip install 'tuner[sweeps,service]'") from error

    named = [host] if host not in ("0.0.0.0", "::") else []  # noqa: S104 - what nobody asks for by this name
    settings = Settings(
        workloads=allowed_workloads(workloads),
        targets=frozenset({LOCAL, *(ray or [])}),
        hosts=(*AT_HOME, *named, *(allowed_host or [])),
        is_private=is_loopback(host),
        mlflow=pages_of(mlflow, mlflow_pages),
    )
    given = Setting(
        store=store, output=output, mlflow=mlflow, concurrency=concurrency, per_owner=per_owner, grace=grace
    )
    with closing(open_ledger(store, patience=PATIENCE)) as ledger, closing(open_ledger(store)) as patient:
        _check_reach(ledger, host, is_private=settings.is_private)
        scheduler = Scheduler(patient, settings.webhook)
        work = Work(Runner(patient, given), scheduler, warn=warn) if runner else None
        with interruptible(), closing(listen(host, port)) as listening:
            out.print(f"tuner serves {address_of(listening)}; Ctrl-C ends it", markup=False, soft_wrap=True)
            answer(create_app(ledger, settings), listening, work)


def _check_reach(ledger: SqlLedger, host: str, *, is_private: bool) -> None:
    """Raise UsageError where everybody could come in."""
    if not is_private and not ledger.tokens.any_valid(time.time()):
        raise UsageError(
            f"--host {host}: others than this machine can reach it, and there is no token yet; make one first: "
            "`tuner token add NAME --role admin`"
        )
