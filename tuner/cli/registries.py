"""What there is: optimizers, schedules, workloads, presets of search spaces."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tuner.cli.output import Json, out, plain, print_json

if TYPE_CHECKING:
    from tuner.hyper import Hyper, Range

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show one in full.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (optimizers, schedules, workloads, spaces):
        app.command()(command)


def optimizers(name: Name = None, as_json: Json = False) -> None:
    """List the optimizers, or show one: formula, hyperparameters, ranges, reference."""
    from tuner import optim

    _show(name, optim.names(), optim.get, as_json)


def schedules(name: Name = None, as_json: Json = False) -> None:
    """List the learning-rate schedules, or show one."""
    from tuner import schedules as registry

    _show(name, registry.names(), registry.get, as_json)


def workloads(name: Name = None, as_json: Json = False) -> None:
    """List the workloads, or show one (also `file.py:Name`)."""
    from tuner import workloads as registry

    _show(name, registry.names(), registry.load, as_json)


def spaces(name: Name = None, as_json: Json = False) -> None:
    """List the search-space presets, or print one; a spec takes them by `use: NAME`."""
    from tuner import space

    presets = [space.preset(n) for n in ([name] if name else space.names())]
    if as_json:
        print_json(presets[0] if name else presets)
    elif name:
        out.print(escape(presets[0].text))
    else:
        table = Table("space", "source", box=None, header_style="bold")
        for preset in presets:
            table.add_row(preset.name, escape(preset.source))
        out.print(table)


def _show(name: str | None, names: list[str], get: Callable[[str], Any], as_json: bool) -> None:
    if name:
        described = _describe(name, get(name))
        if as_json:
            print_json(described)
        else:
            _print_one(name, get(name))
    elif as_json:
        print_json([_describe(n, get(n)) for n in names])
    else:
        table = Table("name", "hyperparameters", "", box=None, header_style="bold")
        for n in names:
            entry = get(n)
            table.add_row(n, ", ".join(entry.hypers), escape(_doc(entry).splitlines()[0]))
        out.print(table)


def _print_one(name: str, entry: Any) -> None:
    out.print(f"[bold]{escape(name)}[/bold]\n")
    out.print(escape(_doc(entry)))
    table = Table("hyperparameter", "default", "domain", "searched by default", "", box=None, header_style="bold")
    for hyper_name, hyper in _hypers(entry).items():
        searched = _range(hyper.search)
        table.add_row(hyper_name, _text(hyper.default), hyper.expected(), searched, escape(hyper.doc))
    out.print()
    out.print(table)


def _describe(name: str, entry: Any) -> dict[str, Any]:
    hypers = {n: {**plain(hyper), "expected": hyper.expected()} for n, hyper in _hypers(entry).items()}
    return {"name": name, "doc": _doc(entry), "hypers": hypers}


def _hypers(entry: Any) -> Mapping[str, Hyper]:
    hypers: Mapping[str, Hyper] = entry.hypers
    return hypers


def _doc(entry: Any) -> str:
    described = getattr(entry, "doc", None) or inspect.getdoc(entry if inspect.isclass(entry) else type(entry))
    return described or "(no description)"


def _range(searched: Range | None) -> str:
    if searched is None:
        return "-"
    if searched.kind == "choice":
        return "one of " + ", ".join(_text(c) for c in searched.choices)
    return f"{searched.kind} {searched.low:g} to {searched.high:g}"


def _text(value: object) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
