"""Recurring sweeps: by the calendar, in a time zone, until removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from tuner.cli.output import DEFAULT_STORE, Json, Store, connected, out, print_json
from tuner.cli.queue import LOCAL, Priority, Ray, SpecFile
from tuner.errors import UsageError

if TYPE_CHECKING:
    from tuner.client import Scheduled
    from tuner.ledger import Firing

Overlap = Literal["skip", "queue", "replace"]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The recurring sweep's name.", show_default=False)]
group = typer.Typer(help="Sweeps that run again and again, by the calendar.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="schedule")


@group.command()
def add(
    name: Name,
    spec: SpecFile,
    cron: Annotated[str, typer.Option(help="When: minute hour day-of-month month day-of-week.", show_default=False)],
    zone: Annotated[str, typer.Option("--tz", help="The time zone that is meant, such as Europe/Berlin.")] = "UTC",
    overlap: Annotated[
        Overlap, typer.Option(help="While the last one waits or runs: skip the new one, queue it, or replace the last.")
    ] = "skip",
    catch_up: Annotated[str, typer.Option(help="How late a sweep may begin after nobody ran: 90s, 10m, 1h30m.")] = "1h",
    priority: Priority = 0,
    ray: Ray = LOCAL,
    webhook: Annotated[str | None, typer.Option(help="An https address that is told how each ended.")] = None,
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Run a sweep by the calendar; `{{ date }}`, `{{ due }}` and `{{ run }}` in its spec say which time it is."""
    late = _seconds(catch_up)
    with connected(store, create=True) as client:
        begun = client.schedules.add(
            name,
            spec,
            cron=cron,
            zone=zone,
            priority=priority,
            target=ray,
            overlap=overlap,
            catch_up=late,
            webhook=webhook,
        )
    _print(begun, f"{name}: {begun.says} ({zone}), next {_next(begun)}; `tuner work` runs it", as_json)


@group.command("list")
def list_all(store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """List the recurring sweeps, with when each is due next and what became of it last."""
    with connected(store) as client:
        known = [(one, client.schedules.history(one.name, limit=1)) for one in client.schedules.all()]
    if as_json:
        print_json([{"schedule": one, "last": last[0] if last else None} for one, last in known])
    elif known:
        table = Table("name", "cron", "zone", "next", "last", box=None, header_style="bold")
        for one, last in known:
            cells = (one.name, one.cron, one.zone, _next(one), _state(last[0]) if last else "-")
            table.add_row(*(escape(cell) for cell in cells))
        out.print(table)
    else:
        out.print("nothing recurs; `tuner schedule add` begins something", markup=False)


@group.command()
def pause(name: Name, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Let a recurring sweep not run until it is resumed."""
    with connected(store) as client:
        paused = client.schedules.pause(name)
    _print(paused, f"{name} is paused", as_json)


@group.command()
def resume(name: Name, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Let a recurring sweep run again; what was due in the pause is not made up for."""
    with connected(store) as client:
        resumed = client.schedules.resume(name)
    _print(resumed, f"{name} runs again, next {_next(resumed)}", as_json)


@group.command()
def remove(name: Name, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Forget a recurring sweep and its history. Its sweeps stay, and what is in the queue goes on."""
    with connected(store) as client:
        client.schedules.remove(name)
    _print({"removed": name}, f"{name} is removed", as_json)


@group.command("run-now")
def run_now(name: Name, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Queue a recurring sweep now, beside its calendar."""
    with connected(store) as client:
        firing = client.schedules.run_now(name)
    _print(firing, f"{firing.sweep} is queued; `tuner work` runs it", as_json)


@group.command()
def history(
    name: Name,
    top: Annotated[int, typer.Option("--top", "-n", help="How many of the latest due times.", min=1)] = 20,
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Show what became of a recurring sweep's due times: what ran, against the run before, and what did not."""
    with connected(store) as client:
        zone = client.schedules.get(name).zone
        fired = client.schedules.history(name, limit=top)
    if as_json:
        print_json(fired)
        return
    table = Table("due", "sweep", "state", "note", box=None, header_style="bold")
    for one in fired:
        note = "; ".join(part for part in (one.note, one.told) if part)
        table.add_row(*(escape(cell) for cell in (_clock(one.due_at, zone), one.sweep or "-", _state(one), note)))
    out.print(table if fired else f"{name} was not due yet")


def _print(result: object, words: str, as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        out.print(words, markup=False, soft_wrap=True)


def _state(firing: Firing) -> str:
    return firing.state or firing.decision


def _next(of: Scheduled) -> str:
    return "paused" if of.next_due is None else _clock(of.next_due, of.zone)


def _clock(at: float, zone: str) -> str:
    from tuner.cluster import calendar

    return f"{calendar.local(at, zone):%Y-%m-%d %H:%M %Z}"


def _seconds(text: str) -> float:
    from pydantic_core import PydanticCustomError

    from tuner.spec.options import seconds

    try:
        return float(str(seconds(text)))
    except PydanticCustomError as error:
        raise UsageError(f"--catch-up: expected {error.message()}, got {text!r}") from None
