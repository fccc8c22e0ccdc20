"""Sweeps without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tuner.cli.output import Json, out, print_json

if TYPE_CHECKING:
    from tuner.simulate import Simulation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="Learning curves: CSV, Parquet or JSON.")],
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A sweep's YAML file, for its sampler and pruner.")],
    seeds: Annotated[int, typer.Option("--seeds", help="Play it with this many seeds, from the spec's on.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Play a sweep on a table of learning curves and print the incumbent's regret by budget. Trains nothing."""
    from tuner.simulate import simulate as play
    from tuner.spec import load

    sweep_spec = load(spec)
    simulations = play(table, sweep_spec, seeds)
    if as_json:
        print_json(simulations)
        return
    out.print(_regret(simulations))
    ended = sum((simulation.outcomes for simulation in simulations), start=type(simulations[0].outcomes)())
    counts = ", ".join(f"{count} {state.value}" for state, count in ended.items())
    reused = sum(simulation.reused for simulation in simulations)
    sampler, pruner = sweep_spec.sampler.name, sweep_spec.pruner.name
    again = f"; {reused} rows were played again for want of fresh ones" if reused else ""
    runs = f"{len(simulations)} seeds" if seeds > 1 else "1 seed (--seeds 20 shows the spread)"
    out.print(f"{sampler} with pruner {pruner}, {runs}: {counts}{again}")


def _regret(simulations: Sequence[Simulation]) -> Table:
    """Regret over the seeds at every budget that all of them spent, and at their ends."""
    unit = simulations[0].full_training
    table = Table("full trainings", "epochs", "regret (median)", "worst", "best", box=None, header_style="bold")

    def add(budget: str, epochs: float, regrets: Sequence[float]) -> None:
        table.add_row(budget, f"{epochs:g}", *(f"{of(regrets):.5g}" for of in (median, max, min)))

    shared = [{point.epochs: point.regret for point in simulation.regret[:-1]} for simulation in simulations]
    for epochs in sorted(set.intersection(*(set(points) for points in shared))):
        add(f"{epochs / unit:g}", epochs, [points[epochs] for points in shared])
    if finals := [simulation.regret[-1].regret for simulation in simulations if simulation.regret]:
        spent = median(simulation.epochs for simulation in simulations)
        add(f"{spent / unit:.3g} (end)", spent, finals)
    return table
