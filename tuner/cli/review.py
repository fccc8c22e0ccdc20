"""Looking at what is recorded: list, show, best, report, export."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tuner.cli.output import (
    DEFAULT_STORE,
    MANY,
    Json,
    Store,
    SweepId,
    connected,
    every,
    moment,
    out,
    place,
    print_curve,
    print_json,
)
from tuner.cli.sweeps import DEFAULT_OUTPUT, Output
from tuner.errors import TunerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuner.analysis.rungs import Rung
    from tuner.client import Client
    from tuner.ledger import SweepSummary
    from tuner.trial import TrialRecord

Trial = Annotated[int | None, typer.Option("--trial", "-t", help="One trial.", min=0, show_default=False)]
Top = Annotated[int, typer.Option("--top", "-n", help="How many rows.", min=1)]


class Format(StrEnum):
    """What `export` writes."""

    YAML = "yaml"
    CSV = "csv"
    SCRIPT = "script"
    CURVES = "curves"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_sweeps)
    for command in (show, best, report, export):
        app.command()(command)


@contextmanager
def looking(store: str) -> Iterator[Client]:
    """``connected``, to read thousands of records at once: looking for cycles among them takes a fifth of the time."""
    gc.disable()
    try:
        with connected(store) as client:
            yield client
    finally:
        gc.freeze()  # nor when it ends
        gc.enable()


def list_sweeps(store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """List the sweeps, the oldest first."""
    with looking(store) as client:
        sweeps = every(lambda after: client.list(after=after, limit=MANY))[::-1]
    if as_json:
        print_json(sweeps)
        return
    if not sweeps:
        out.print(f"no sweeps in {place(store)}; start one: tuner run examples/digits.yaml", markup=False)
        return
    table = Table("sweep", "workload", "status", "done", "trials", "best", "started", box=None, header_style="bold")
    for sweep in sweeps:
        counts = ", ".join(f"{count} {state.value}" for state, count in sweep.counts.items() if count)
        best_values = ", ".join(f"{metric} {value:.5g}" for metric, value in sweep.best.items())
        started = moment(sweep.created_at)
        row = (
            sweep.id,
            escape(sweep.workload),
            sweep.status,
            _done(sweep),
            counts or "none",
            best_values or "-",
            started,
        )
        table.add_row(*row)
    out.print(table)


def show(
    sweep: SweepId, store: Store = DEFAULT_STORE, trial: Trial = None, top: Top = 10, as_json: Json = False
) -> None:
    """Show a sweep: its leaderboard and how its optimizers fared; or one of its trials in full."""
    with looking(store) as client:
        if trial is not None:
            _show_trial(client.trial(sweep, trial), as_json)
            return
        shown = client.show(sweep, top=top)
    summary, failure = shown.summary, shown.failure
    if as_json:
        standing = {"status": summary.status, "ended": summary.ended, "budget": summary.budget}
        tables = {"leaderboard": shown.leaderboard, "optimizers": shown.optimizers, "rungs": shown.rungs}
        print_json({"sweep": shown.sweep, **standing, "accepted": shown.accepted, **tables})
        return
    out.print(shown.leaderboard.as_table())
    counts = ", ".join(f"{count} {state.value}" for state, count in summary.counts.items() if count) or "no trial yet"
    out.print(f"\n{summary.status}, {_done(summary)} trials have ended: {counts}")
    for acceptance in shown.accepted:
        listed = "".join(f"\n  {change}" for change in acceptance.changes)
        out.print(f"went on with changes at {moment(acceptance.at)}:{listed}", markup=False, soft_wrap=True)
    if failure:
        cause = failure.note.strip().splitlines()[-1] if failure.note else "no note"
        out.print(f"trial {failure.spec.index} failed: {cause} (--trial {failure.spec.index} shows all)", markup=False)
    table = Table("optimizer", "trials", "pruned", "diverged", "best", "median", box=None, header_style="bold")
    for group in shown.optimizers:
        diverged = "-" if group.diverged is None else f"{group.diverged:.0%}"
        best_value = "-" if group.best is None else f"{group.best.mean:.5g}"
        median = "-" if group.spread is None else f"{group.spread.median:.5g}"
        table.add_row(group.name, str(group.trials), str(group.pruned), diverged, best_value, median)
    out.print()
    out.print(table)
    if shown.rungs:
        out.print()
        out.print(_rungs(shown.rungs))


def _done(summary: SweepSummary) -> str:
    return str(summary.ended) if summary.budget is None else f"{summary.ended}/{summary.budget}"


def _rungs(reached: Sequence[Rung]) -> Table:
    table = Table("paused after", "trials that came", "went on", box=None, header_style="bold")
    for rung in reached:
        table.add_row(f"{rung.step:,} steps", str(rung.came), str(rung.went_on))
    return table


def _show_trial(record: TrialRecord, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    out.print(
        f"[bold]{escape(record.spec.sweep)} trial {record.spec.index}[/bold]: {record.state.value}, {record.step} steps"
    )
    for param, value in record.spec.params.items():
        out.print(f"  {param} = {value}", markup=False)
    print_curve(record.curve)
    if record.note:
        out.print(record.note, markup=False)


def best(sweep: SweepId, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Print the winning configuration, ready to be used as the `space:` of another spec."""
    with looking(store) as client:
        won = client.best(sweep)
    if as_json:
        facts = {"trials": won.trials, "values": won.values, "params": won.params, "front": won.front}
        print_json({"sweep": won.sweep, **facts})
        return
    if len(won.objectives) > 1:
        others = ", ".join(map(str, won.front))
        print(f"# the best {won.objectives[0].metric} of the Pareto front, which is trials {others}")
    values = ", ".join(f"{metric} {estimate.mean:.6g}" for metric, estimate in won.values.items())
    print(f"# {won.sweep} trial {', '.join(map(str, won.trials))}: {values}")
    print(won.space, end="")


def report(
    sweep: SweepId, store: Store = DEFAULT_STORE, output: Output = DEFAULT_OUTPUT, as_json: Json = False
) -> None:
    """Write the HTML report of a sweep."""
    from tuner.launch import write_report

    with looking(store) as client:
        found = client.standing(sweep).summary.id
        path = write_report(found, client.report(found), output)
    if as_json:
        print_json({"sweep": found, "report": path})
    else:
        print(path)


def export(
    sweep: SweepId,
    store: Store = DEFAULT_STORE,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="The winner as a space or a PyTorch script; every trial or curve.")
    ] = Format.YAML,
    trial: Trial = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="A file, instead of standard output.")] = None,
    as_json: Json = False,
) -> None:
    """Take results home: the winner (or --trial) as YAML or a training script, all trials as CSV, or all curves."""
    if form is Format.CURVES and to is not None and to.suffix != ".json":
        raise UsageError(f"--to: expected a file ending in .json, which curves are written as, got {to.name!r}")
    with looking(store) as client:
        found = client.standing(sweep).summary.id
        text = client.export(found, form.value, trial=trial)
    if to is not None:
        _write(to, text)
    if as_json:
        print_json({"sweep": found, "format": form.value, "file": to, "text": None if to else text})
    elif to is None:
        sys.stdout.write(text)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TunerError(f"cannot write {path}: {error.strerror}") from error
