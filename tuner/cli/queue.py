"""The queue: handing sweeps over, looking at what waits and runs, and working it off."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tuner.cli.output import (
    DEFAULT_STORE,
    Json,
    Store,
    SweepId,
    connected,
    every,
    moment,
    opened,
    out,
    print_json,
    warn,
)
from tuner.cli.sweeps import DEFAULT_OUTPUT, Mlflow, Output
from tuner.errors import TunerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuner.ledger import Job

LOCAL = "local"
Priority = Annotated[int, typer.Option("--priority", "-p", help="The highest goes first, then the oldest.")]
Ray = Annotated[
    str,
    typer.Option(
        "--ray", metavar="URL", help="Run it as a job of that Ray cluster (its dashboard's address), not here."
    ),
]
SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="A sweep's YAML file.", show_default=False)]
group = typer.Typer(help="What waits to be run, runs, and has run.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(submit)
    app.command()(work)
    app.add_typer(group, name="queue")


def submit(
    spec: SpecFile, store: Store = DEFAULT_STORE, priority: Priority = 0, ray: Ray = LOCAL, as_json: Json = False
) -> None:
    """Put a sweep into the queue. What it names is checked now; `tuner work` runs it."""
    with connected(store, create=True) as client:
        job = client.submit(spec, priority=priority, target=ray)
    _print(job, f"{job.sweep} is queued; `tuner work` runs it, `tuner queue list` shows where it stands", as_json)


def work(
    store: Store = DEFAULT_STORE,
    mlflow: Mlflow = None,
    output: Output = DEFAULT_OUTPUT,
    concurrency: Annotated[
        int,
        typer.Option(envvar="TUNER_CONCURRENCY", help="Sweeps at a time on this machine, and on each cluster.", min=1),
    ] = 1,
    per_owner: Annotated[int, typer.Option(help="Sweeps at a time of one owner, everywhere.", min=1)] = 1000,
    grace: Annotated[float, typer.Option(help="Seconds that a sweep has to stop, before it is killed.", min=0)] = 60.0,
) -> None:
    """Run what is in the queue, and recurring sweeps when they are due, until Ctrl-C or SIGTERM. Sweeps go on then."""
    from tuner.cluster import Runner, Scheduler, Setting, Webhook, Work
    from tuner.launch import interruptible

    setting = Setting(
        store=store, output=output, mlflow=mlflow, concurrency=concurrency, per_owner=per_owner, grace=grace
    )
    with opened(store, create=True) as ledger, interruptible() as asked:
        runner, scheduler = Runner(ledger, setting), Scheduler(ledger, Webhook.of_environment())
        with Work(runner, scheduler, warn=warn) as at_work:
            out.print("at work; Ctrl-C ends it, and leaves the sweeps that run to themselves", markup=False)
            while not asked() and at_work.is_alive():
                time.sleep(0.2)
        if not asked():
            raise TunerError("tuner work: it ended by a fault of its own, shown above")
        running = ledger.queue.jobs(state="running")
    if running:
        names = ", ".join(job.sweep for job in running)
        out.print(f"{names}: still running; the next `tuner work` looks after what is left", markup=False)


@group.command("list")
def list_jobs(
    store: Store = DEFAULT_STORE,
    everything: Annotated[bool, typer.Option("--all", help="Also what is done, failed or cancelled.")] = False,
    as_json: Json = False,
) -> None:
    """List the queue in its order."""
    with connected(store) as client:
        known = every(lambda after: client.queue(after=after))
    jobs = [job for job in known if everything or job.state in ("queued", "running", "paused")]
    if as_json:
        print_json(jobs)
    elif jobs:
        out.print(_table(jobs))
    else:
        out.print("the queue is empty; `tuner submit SPEC` puts a sweep into it", markup=False)


@group.command()
def cancel(sweep: SweepId, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """End a sweep that waits or runs for good."""
    with connected(store) as client:
        job = client.cancel(sweep)
    _print(job, f"{job.sweep} {'is being stopped' if job.asked else 'is cancelled'}", as_json)


@group.command()
def pause(sweep: SweepId, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Stop a sweep that waits or runs, until it is resumed; nothing recorded is lost."""
    with connected(store) as client:
        job = client.pause(sweep)
    _print(job, f"{job.sweep} {'is being paused' if job.asked else 'is paused'}", as_json)


@group.command()
def resume(sweep: SweepId, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Queue a sweep again that was paused, cancelled, interrupted or failed."""
    with connected(store) as client:
        job = client.resume(sweep)
    _print(job, f"{job.sweep} is queued", as_json)


@group.command()
def prioritise(
    sweep: SweepId,
    priority: Annotated[int, typer.Argument(help="The highest goes first.", show_default=False)],
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Change the place of a sweep that waits."""
    with connected(store) as client:
        job = client.prioritise(sweep, priority)
    _print(job, f"{job.sweep} has priority {job.priority}", as_json)


def _print(job: Job, words: str, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        out.print(words, markup=False, soft_wrap=True)


def _table(jobs: Sequence[Job]) -> Table:
    table = Table("sweep", "state", "priority", "owner", "where", "since", "note", box=None, header_style="bold")
    for job in jobs:
        state = f"{job.state} ({job.asked} asked)" if job.asked else job.state
        since = moment(job.ended_at or (job.started_at if job.state == "running" else job.created_at) or 0.0)
        note = job.note.partition("\n")[0]
        cells = (job.sweep, state, str(job.priority), job.owner, job.target, since, note)
        table.add_row(*(escape(text) for text in cells))
    return table
