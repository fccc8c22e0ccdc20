"""Are a sweep's proposals what its sampler proposes again: replay."""

from __future__ import annotations

import typer
from rich.table import Table

from tuner.cli.output import DEFAULT_STORE, Json, Store, SweepId, opened, out, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay_sweep)


def replay_sweep(sweep: SweepId, store: Store = DEFAULT_STORE, as_json: Json = False) -> None:
    """Ask a fresh sampler what the sweep asked, told the same in the same order: does it propose the same trials?"""
    from tuner import wiring
    from tuner.changes import changes
    from tuner.replay import replay

    with opened(store) as ledger:
        found = ledger.load(sweep)
        prepared = wiring.recorded(found)
        again = replay(wiring.sampler(prepared), ledger.events(found.id), found.repeats)
    changed = changes(found, prepared.spec)
    if as_json:
        print_json(
            {
                "sweep": found.id,
                "proposals": again.proposals,
                "same": again.same,
                "differs": again.differs,
                "changes": changed,
            }
        )
    else:
        out.print(f"{found.id}: {again.same} of {again.proposals} proposals are the same", markup=False)
    if again.differs is None:
        return
    if not as_json:
        out.print(f"the first that differs is that of trial {again.differs.trial}:")
        table = Table("", "recorded", "proposed now", box=None, header_style="bold")
        recorded, proposed = again.differs.recorded, again.differs.proposed
        for name in dict.fromkeys([*recorded, *proposed]):
            table.add_row(name, str(recorded.get(name, "-")), str(proposed.get(name, "-")))
        out.print(table)
        for change in changed:
            out.print(f"changed since it was begun: {change}", markup=False)
    raise typer.Exit(1)
