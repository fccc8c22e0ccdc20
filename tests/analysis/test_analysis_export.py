"""What is exported reads back as what was recorded, and the script runs."""

from __future__ import annotations

import ast
import csv
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from analysis_sweeps import LOSS, record, records, sweep
from hypothesis import given, settings
from hypothesis import strategies as st

import tuner.optim
import tuner.schedules
from tuner import spec
from tuner.analysis.export import to_csv, to_yaml
from tuner.analysis.script import to_script
from tuner.trial import State, Value
from tuner.workloads import load

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def written(value: Value) -> str:
    """How a cell should read."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULAS) else value
    return {None: "null", True: "true", False: "false"}[value] if value in (None, True, False) else repr(value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(TEXT, VALUES, max_size=3), min_size=1, max_size=4), TEXT)
def test_csv_gives_every_parameter_back(params: list[dict[str, Value]], note: str) -> None:
    made = [record(i, {"optimizer": "sgd", **own}, note=note) for i, own in enumerate(params)]
    rows = table(to_csv(sweep(), made[::-1]))
    assert [row["trial"] for row in rows] == [str(i) for i in range(len(made))]
    for row, one in zip(rows, made, strict=True):
        given_params = one.spec.params
        for column, cell in row.items():
            name = column.removeprefix("params.")
            if name != column:
                expected = written(given_params[name]) if name in given_params else ""
                assert cell == expected or float(cell) == float(given_params[name])
        assert row["note"] == written(note)


def test_csv_gives_every_fact_back() -> None:
    made = records(40, repeats=2)
    for row, one in zip(table(to_csv(sweep(repeats=2), made)), made, strict=True):
        assert int(row["configuration"]) * 2 + int(row["repeat"]) == int(row["trial"]) == one.spec.index
        assert row["state"] == one.state
        assert int(row["steps"]) == one.step
        assert float(row["seconds"]) == one.seconds
        seen = {k.removeprefix("values."): float(v) for k, v in row.items() if k.startswith("values.") and v}
        assert seen == one.values


@pytest.mark.parametrize("text", [f"{sign}cmd|' /C calc'!A0" for sign in FORMULAS])
def test_no_cell_is_a_formula(text: str) -> None:
    made = [record(0, {"optimizer": text, text: text}, values={text: -1.0}, note=text)]
    cells = [cell for line in csv.reader(io.StringIO(to_csv(sweep(), made), newline="")) for cell in line]
    assert [cell for cell in cells if cell.startswith(FORMULAS)] == ["-1.0"]  # a number may be negative


def test_csv_of_nothing_has_a_header() -> None:
    assert to_csv(sweep(objectives=[LOSS]), []) == "trial,configuration,repeat,state,values.loss,steps,seconds,note\r\n"


def configuration(optimizer: str, schedule: str) -> dict[str, Value]:
    """A complete configuration at the registries' defaults."""
    hypers = tuner.optim.get(optimizer).hypers
    shape = tuner.schedules.get(schedule).hypers
    own = load("digits-mlp").hypers
    return {
        "optimizer": optimizer,
        **{f"{optimizer}.{name}": hyper.default for name, hyper in hypers.items()},
        "schedule": schedule,
        **{f"{schedule}.{name}": hyper.default for name, hyper in shape.items()},
        "clip_norm": 0.5,
        **{name: hyper.default for name, hyper in own.items()},
    }


EVERY = [(optimizer, "cosine") for optimizer in tuner.optim.names()]
EVERY += [("adamw", schedule) for schedule in tuner.schedules.names()]


@pytest.mark.parametrize(("optimizer", "schedule"), EVERY)
def test_yaml_is_a_space_of_that_one_configuration(optimizer: str, schedule: str) -> None:
    params = configuration(optimizer, schedule)
    text = to_yaml(record(0, params))
    parsed = spec.parse(f"workload: digits-mlp\nobjective: accuracy\nbudget: {{trials: 1}}\n{text}", "winner")
    space = spec.search_space(parsed, load("digits-mlp").hypers)
    assert space.distributions() == {}
    assert space.sample(_nothing_to_suggest) == params


def _nothing_to_suggest(name: str, _distribution: object) -> Value:
    raise AssertionError(f"{name} is not fixed")


@pytest.mark.parametrize(("optimizer", "schedule"), EVERY)
def test_the_script_of_any_configuration_is_sound(optimizer: str, schedule: str) -> None:
    text = to_script(sweep(), record(0, configuration(optimizer, schedule)), "digits-mlp")
    ast.parse(text)
    own = tuner.optim.get(optimizer).torch_equivalent is None
    assert ("as_torch_optimizer(" in text) == own
    assert ("torch.optim." in text.replace("torch.optim.lr_scheduler", "")) == (not own)
    assert max(map(len, text.splitlines())) <= 100


def test_a_script_is_formatted_and_clean() -> None:
    ends = {"plateau.warmup": 0.25, "plateau.cooldown": 0.25}
    forms = [configuration(optimizer, "cosine") for optimizer in ("adamw", "lbfgs")]
    for params in (*forms, configuration("sgd", "plateau"), configuration("sgd", "plateau") | ends):
        text = to_script(sweep(), record(0, params), "digits-mlp")
        ruff = [Path(sys.executable).with_name("ruff")]
        for command in (["format", "--check", "--line-length=100", "-"], ["check", "--select=E,F,I,W", "-"]):
            run = subprocess.run(
                [*ruff, *command, "--isolated"], input=text, text=True, capture_output=True, check=False
            )
            assert run.returncode == 0, run.stdout + run.stderr


# One of each form: torch's own, torch's with a closure, ours in torch's clothes.
FORMS = ["adamw", "lbfgs", next(n for n in tuner.optim.names() if tuner.optim.get(n).torch_equivalent is None)]


def ran(script: Path) -> str:
    """What a script prints."""
    run = subprocess.run(
        [sys.executable, "-W", "error", script],
        text=True,
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("optimizer", FORMS)
def test_the_script_learns(optimizer: str, tmp_path: Path) -> None:
    gentle = {"lbfgs.lr": 0.1, "clip_norm": None} if optimizer == "lbfgs" else {}
    winner = record(3, configuration(optimizer, "cosine") | gentle, values={"loss": 0.1}, total_steps=40)
    script = tmp_path / "train.py"
    script.write_text(
        to_script(sweep(objectives=[LOSS]), winner, "iris" if optimizer == "lbfgs" else "noisy-quadratic")
    )
    lines = [line.split() for line in ran(script).splitlines()]
    losses = [float(part.removeprefix("loss=")) for line in lines for part in line if part.startswith("loss=")]
    assert [int(line[0]) for line in lines] == list(range(4, 41, 4))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("ends", [{}, {"warmup": 0.25, "cooldown": 0.25}])
def test_the_script_follows_its_metric_as_the_trial_did(ends: dict[str, float], tmp_path: Path) -> None:
    hasty = {"gamma": 0.5, "patience": 0, "threshold": 0.2, "least": 0.1, **ends}
    params = configuration("sgd", "plateau") | {f"plateau.{name}": value for name, value in hasty.items()}
    of = replace(sweep(objectives=[LOSS]), spec={"evaluate_every": 2})
    text = to_script(of, record(0, params, total_steps=40), "noisy-quadratic")
    assert ("torch.optim.lr_scheduler.ReduceLROnPlateau(" in text) == (not ends)
    script = tmp_path / "train.py"
    telling = 'print("rate", optimizer.param_groups[0]["lr"])'
    text = text.replace("    loss = ", f"    {telling}\n    loss = ")
    script.write_text(text.replace("        print(step", '        print("loss", measured["loss"])\n        print(step'))
    lines = [line.split() for line in ran(script).splitlines()]
    controller = tuner.schedules.Plateau("minimize", gamma=0.5, patience=0, threshold=0.2, least=0.1)
    step, lr = 0, tuner.optim.get("sgd").hypers["lr"].default
    for kind, value, *_ in lines:
        if kind == "rate":
            factor = tuner.schedules.get("constant")(step, 40, **ends) * controller.factor
            assert float(value) == pytest.approx(lr * factor, rel=1e-9)
            step += 1
        elif kind == "loss":
            controller.observe(float(value))
    assert step == 40
    assert controller.factor < 0.5


def test_a_searched_seed_takes_the_place_of_the_trials_own() -> None:
    params = configuration("sgd", "constant")
    own = to_script(sweep(), record(7, params), "digits-mlp")
    searched = to_script(sweep(), record(7, params | {"seed": 99}), "digits-mlp")
    assert "torch.manual_seed(7)" in own
    assert "torch.manual_seed(99)" in searched


def test_no_name_breaks_out_of_a_script() -> None:
    params = configuration("sgd", "constant") | {"optimizer": "sgd"}
    evil = sweep(name='x"""\nimport os  # ')
    text = to_script(evil, record(0, params, State.COMPLETED, values={"a\nimport os": 1.0}), "digits-mlp")
    statements = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)]
    imported = [alias.name for statement in statements for alias in statement.names]
    assert imported == ["torch"]
