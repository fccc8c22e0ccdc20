"""What commands share: options, opening the store, printing for people or for programs."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from tuner.errors import StoreError, UsageError

if TYPE_CHECKING:
    from tuner.client import Client, Page
    from tuner.ledger import SqlLedger
    from tuner.trial import Point

T = TypeVar("T")
MANY = 1_000  # items of a list that are asked for at a time
DEFAULT_STORE = "sqlite:///tuner.db"

Store = Annotated[str, typer.Option("--store", envvar="TUNER_STORE", help="Where trials are kept: a database URL.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
SweepId = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's id, or its name for the latest one.")]


class Terminal(Console):
    """A console that falls silent when nobody listens any more; a sweep does not end for that."""

    def on_broken_pipe(self) -> None:
        """Go quiet, where rich would exit."""
        self.quiet = True


out = Console(highlight=False, emoji=False)  # `mine.py:wave: ...` is no hand
err = Terminal(stderr=True, highlight=False, emoji=False)


def warn(message: str) -> None:
    """Say something that the user should know, on standard error, also when progress is off."""
    err.print(f"warning: {message}", style="yellow", markup=False, soft_wrap=True)


_asked: dict[str, str | None] = {"server": None, "token": None}  # what the options before the command say


def ask(server: str | None, token: str | None) -> None:
    """From now on, commands ask this service (None: a database)."""
    _asked.update(server=server, token=token)


def asks_service() -> bool:
    """Whether commands ask a service."""
    return bool(_asked["server"])


def place(store: str) -> str:
    """Where the commands look: the service that is asked, or the store."""
    return _asked["server"] or store


@contextmanager
def opened(store: str, *, create: bool = False) -> Iterator[SqlLedger]:
    """The ledger at ``store``, closed afterwards. Raises StoreError for a file that is not there, unless ``create``.

    For what only a database can be used for: raises UsageError where a service was asked.
    """
    from tuner.ledger import open_ledger

    refuse_service()
    path = Path(store.removeprefix("sqlite:///").partition("?")[0])
    if store.startswith("sqlite:///") and path.name and not create and not path.exists():
        raise StoreError(f"there is no store at {path}; `tuner run` makes one, --store or TUNER_STORE names another")
    ledger = open_ledger(store)
    try:
        yield ledger
    finally:
        ledger.close()


def refuse_service() -> None:
    """Raise UsageError where a service was asked to do what only a database can be used for."""
    if _asked["server"]:
        raise UsageError(
            f"this command works on a database, not on the service at {_asked['server']}; leave --server and "
            "TUNER_SERVER out and give a --store, or run it on the service's machine"
        )


@contextmanager
def connected(store: str, *, create: bool = False) -> Iterator[Client]:
    """A client of the service that is asked, else of the ledger at ``store``; raises as ``opened`` does."""
    if _asked["server"]:
        from tuner.client import Client

        with Client(server=_asked["server"], token=_asked["token"]) as client:
            yield client
        return
    import getpass

    from tuner.client.local import Desk, Local

    with opened(store, create=create) as ledger:
        yield Local.of(Desk.here(ledger, lambda text: err.print(text, markup=False, soft_wrap=True)), getpass.getuser())


def every(ask_page: Callable[[str | None], Page[T]]) -> list[T]:
    """All items of a long list, page by page."""
    page = ask_page(None)
    items = list(page.items)
    while page.next is not None:
        page = ask_page(page.next)
        items += page.items
    return items


def print_json(value: Any) -> None:
    """One JSON document on standard output; numbers that JSON does not know become null."""
    json.dump(plain(value), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_curve(curve: Sequence[Point]) -> None:
    """A learning curve, one evaluation a line."""
    for point in curve:
        metrics = "  ".join(f"{name} {value:.6g}" for name, value in point.metrics.items())
        out.print(f"step {point.step:>6}  {metrics}", markup=False)


def moment(at: float) -> str:
    """A time as the clocks here show it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def plain(value: Any) -> Any:
    """Records, mappings and sequences as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
