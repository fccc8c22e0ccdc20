"""Rows say what the records say, and fit a terminal."""

from __future__ import annotations

import io

import pytest
from analysis_sweeps import ACCURACY, LOSS, record, records, sweep
from rich.console import Console
from rich.table import Table

from tuner.analysis.leaderboard import leaderboard, short_names
from tuner.analysis.summary import summarise
from tuner.trial import State


def printed(table: Table, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue()


def test_rows_are_the_best_configurations_in_full() -> None:
    made = records(60, repeats=2)
    board = leaderboard(sweep(repeats=2), made, top=7)
    by_trial = {r.spec.index: r for r in made}
    assert len(board.rows) == 7
    assert [row.rank for row in board.rows] == list(range(1, 8))
    means = [row.estimates["accuracy"].mean for row in board.rows]
    assert means == sorted(means, reverse=True)
    for row in board.rows:
        own = [by_trial[trial] for trial in row.trials]
        assert row.configuration == row.trials[0] // 2
        assert row.steps == sum(r.step for r in own)
        assert row.seconds == pytest.approx(sum(r.seconds or 0 for r in own))
        assert row.estimates["accuracy"].mean == pytest.approx(sum(r.values["accuracy"] for r in own) / 2)
        assert row.hypers["lr"] == own[0].spec.params[f"{row.optimizer}.lr"]
        assert "beta2" not in row.hypers  # never searched


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("objectives", [[ACCURACY], [ACCURACY, LOSS]])
def test_the_table_fits(width: int, objectives: list[object]) -> None:
    board = leaderboard(sweep(objectives=objectives, repeats=3), records(90, repeats=3), top=10)
    lines = printed(board.as_table(), width).splitlines()
    assert all(len(line) <= width for line in lines)
    assert "…" not in "".join(lines[:2])
    for row in board.rows:
        assert any(line.split()[:2] == [str(row.rank), f"{row.trials[0]}-{row.trials[-1]}"] for line in lines)


def test_markup_in_names_is_printed_not_obeyed() -> None:
    odd = {"optimizer": "[red]x[/red]", "schedule": "[/]", "[bold]k": "[link]"}
    board = leaderboard(sweep(name="[b]s"), [record(0, odd), record(1, odd | {"[bold]k": "v"})])
    text = printed(board.as_table(), 120)
    assert all(part in text for part in ("[red]x[/red]", "[/]", "[bold]k=[link]", "[b]s-3"))


def test_names_that_would_collide_stay_whole() -> None:
    names = ["exponential.gamma", "adam.gamma", "adam.lr", "width", "sgd.lr"]
    short = short_names(names, "adam", "exponential")
    assert short == {n: n for n in names} | {"adam.lr": "lr"}


def test_an_empty_sweep_has_an_empty_board() -> None:
    board = leaderboard(sweep(), [])
    assert (board.rows, board.ranked, board.configurations) == ((), 0, 0)
    printed(board.as_table(), 80)


def test_summaries_count_every_trial_once_and_lead_with_the_best() -> None:
    made = records(80)
    groups = summarise(sweep(), made, "optimizer")
    assert sum(group.trials for group in groups) == 80
    assert [group.best.mean for group in groups if group.best] == sorted(
        (group.best.mean for group in groups if group.best), reverse=True
    )
    for group in groups:
        own = [r for r in made if r.spec.params["optimizer"] == group.name]
        assert group.diverged == pytest.approx(sum(r.state is State.DIVERGED for r in own) / len(own))
        assert group.spread is not None
        assert group.spread.n == group.completed == sum(r.state is State.COMPLETED for r in own)


def test_a_group_that_never_completed_has_no_best() -> None:
    made = [record(0, {"optimizer": "sgd"}), record(1, {"optimizer": "adam"}, State.DIVERGED)]
    sgd, adam = summarise(sweep(), made, "optimizer")
    assert (sgd.name, adam.name, adam.best, adam.spread, adam.diverged) == ("sgd", "adam", None, None, 1.0)
