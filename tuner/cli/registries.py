"""What there is: optimizers, schedules, workloads, presets of search spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tuner.cli.output import Json, out, print_json
from tuner.errors import UsageError
from tuner.reference.entries import described, page

WIDEST = 100  # characters a line of text

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show one in full.", show_default=False)]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Show these in full.", show_default=False)]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Draw them into this file: .png, .svg or .pdf.", show_default=False)
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="[NAME.]HYPER=VALUE", help="A hyperparameter for --plot.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (optimizers, schedules, workloads, spaces):
        app.command()(command)


def optimizers(names: Names = None, as_json: Json = False) -> None:
    """List the optimizers, or show some: formula, hyperparameters, ranges, reference."""
    from tuner import optim

    _show(names or [], optim.names(), optim.get, as_json)


def schedules(names: Names = None, plot: Plot = None, settings: Set = None, as_json: Json = False) -> None:
    """List the learning-rate schedules, show some (also `file.py:name`), or draw them: --plot FILE, all or those."""
    from tuner import schedules as registry

    if plot is None and settings:
        raise UsageError("--set: expected --plot FILE beside it; a listing shows every default")
    if plot is None:
        _show(names or [], registry.names(), registry.get, as_json)
        return
    from tuner.reference.drawing import plot as draw

    drawn = names or registry.names()
    draw(plot, drawn, settings or [])
    if as_json:
        print_json({"plot": plot, "schedules": drawn})
    else:
        out.print(str(plot), markup=False, highlight=False, soft_wrap=True)


def workloads(name: Name = None, as_json: Json = False) -> None:
    """List the workloads, or show one (also `file.py:Name`)."""
    from tuner import workloads as registry

    _show([name] if name else [], registry.names(), registry.load, as_json)


def spaces(name: Name = None, as_json: Json = False) -> None:
    """List the search-space presets, or print one; a spec takes them by `use: NAME`."""
    from tuner import space

    presets = [space.preset(n) for n in ([name] if name else space.names())]
    if as_json:
        print_json(presets[0] if name else presets)
    elif name:
        out.print(presets[0].text, markup=False, highlight=False, soft_wrap=True)
    else:
        table = Table("space", "source", box=None, header_style="bold")
        for preset in presets:
            table.add_row(preset.name, escape(preset.source))
        out.print(table)


def _show(chosen: Sequence[str], names: list[str], get: Callable[[str], Any], as_json: bool) -> None:
    entries = {name: get(name) for name in chosen or names}
    if as_json:
        told = [described(name, entry) for name, entry in entries.items()]
        print_json(told[0] if len(chosen) == 1 else told)
    elif chosen:
        for n, (name, entry) in enumerate(entries.items()):
            out.print("\n" if n else "", end="")
            _print_one(name, entry)
    else:
        common = set.intersection(*(set(entry.hypers) for entry in entries.values()))
        table = Table("name", "hyperparameters", "", box=None, header_style="bold")
        for name, entry in entries.items():
            own = ", ".join(hyper for hyper in entry.hypers if hyper not in common)
            table.add_row(name, own, escape(page(entry).splitlines()[0]))
        out.print(table)
        shared = ", ".join(hyper for hyper in next(iter(entries.values())).hypers if hyper in common)
        out.print(f"\nEach has {shared} besides." if shared else "", highlight=False)


def _print_one(name: str, entry: Any) -> None:
    from tuner.reference.hypers import HEADINGS, rows
    from tuner.reference.page import terminal

    out.print(f"[bold]{escape(name)}[/bold]\n")
    out.print(terminal(page(entry), min(out.width, WIDEST)), markup=False, highlight=False, soft_wrap=True)
    table = Table(*HEADINGS, box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for row in rows(entry.hypers):
        table.add_row(*map(escape, row))
    out.print()
    out.print(table)
