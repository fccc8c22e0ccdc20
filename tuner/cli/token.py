"""Tokens of the service: who may use it, and who did what."""

from __future__ import annotations

import getpass
import re
import socket
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from tuner.cli.output import DEFAULT_STORE, Json, Store, moment, opened, out, print_json
from tuner.errors import UsageError

if TYPE_CHECKING:
    from tuner.ledger import SqlLedger

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, e.g. alice or ci.", show_default=False)]
_UNITS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
group = typer.Typer(help="Who may use the service, and who did what with it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="token")


@group.command()
def add(
    name: Name,
    role: Annotated[
        Literal["read", "submit", "admin"],
        typer.Option(help="read looks, submit hands over sweeps, admin does everything."),
    ],
    expires: Annotated[
        str | None, typer.Option(help="For how long it opens anything: 12h, 30d, 8w; for ever by default.")
    ] = None,
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Make a token. It is shown this once: what is kept is its hash."""
    from tuner.ledger.tokens import Role

    now = time.time()
    expires_at = None if expires is None else now + _seconds(expires)
    with opened(store, create=True) as ledger:
        secret = ledger.tokens.add(name, Role(role), at=now, expires_at=expires_at)
        _record(ledger, f"token add {name} {role}")
    if as_json:
        print_json({"name": name, "role": role, "expires_at": expires_at, "token": secret})
        return
    until = "for ever" if expires_at is None else f"until {moment(expires_at)}"
    out.print(f"token of {name} ({role}, {until}), shown this once:", markup=False)
    out.print(secret, markup=False, soft_wrap=True)


@group.command("list")
def list_tokens(store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """List the tokens there are and were."""
    with opened(store) as ledger:
        tokens = ledger.tokens.tokens()
    if as_json:
        print_json(tokens)
        return
    if not tokens:
        out.print("no tokens; `tuner token add NAME --role read` makes one", markup=False)
        return
    table = Table("name", "role", "made", "expires", "", box=None, header_style="bold")
    for token in tokens:
        expires = "never" if token.expires_at is None else moment(token.expires_at)
        standing = "revoked" if token.revoked_at else "" if token.is_valid(time.time()) else "expired"
        table.add_row(escape(token.name), token.role.value, moment(token.created_at), expires, standing)
    out.print(table)


@group.command()
def revoke(name: Name, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Let a token open nothing any more, from the next request on."""
    with opened(store) as ledger:
        ledger.tokens.revoke(name, time.time())
        _record(ledger, f"token revoke {name}")
    if as_json:
        print_json({"revoked": name})
    else:
        out.print(f"the token of {name} is revoked", markup=False)


@group.command()
def audit(
    store: Store = DEFAULT_STORE,
    last: Annotated[int, typer.Option("--last", "-n", help="How many entries.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Show what was done with the service, and what was refused: the latest first."""
    with opened(store) as ledger:
        deeds = ledger.tokens.deeds(last)
    if as_json:
        print_json(deeds)
        return
    table = Table("when", "who", "what", "from", "result", box=None, header_style="bold")
    for deed in deeds:
        table.add_row(
            moment(deed.at), *(escape(text) for text in (deed.who or "?", deed.what, deed.origin, deed.result))
        )
    out.print(table)


def _record(ledger: SqlLedger, what: str) -> None:
    from tuner.ledger.tokens import Deed

    deed = Deed(at=time.time(), who=getpass.getuser(), what=what, origin=socket.gethostname(), result="done")
    ledger.tokens.record(deed)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if match is None:
        raise UsageError(f"--expires: expected a time such as 12h, 30d or 8w, got {text!r}")
    return int(match[1]) * _UNITS[match[2]]
