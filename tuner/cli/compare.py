"""Several sweeps side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.output import DEFAULT_STORE, Json, Store, connected, out, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    sweeps: Annotated[list[str], typer.Argument(metavar="SWEEP...", help="Sweeps by id or name.", show_default=False)],
    store: Store = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Compare sweeps: the best, the top, the cost, and whether the difference is beyond noise."""
    with connected(store) as client:
        comparison = client.compare(sweeps)
    if as_json:
        print_json(comparison)
    else:
        out.print(comparison.as_table())
