"""Every command that looks at what is recorded, for people and as JSON."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import pytest
import yaml

COMMANDS = (
    "run", "resume", "list", "show", "best", "compare", "report", "export", "rerun", "replay", "sync", "simulate",
    "optimizers", "schedules", "workloads", "spaces", "doctor",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_promised_command_explains_itself_and_prints_json(tuner, command):
    result = tuner(command, "--help")
    assert result.code == 0
    assert "--json" in result.out


def test_list(tuner, store):
    assert [s["id"] for s in tuner("list", "--store", store, "--json").json()] == ["small-1", "small-2"]
    shown = tuner("list", "--store", store)
    assert "small-1" in shown.out
    assert "8 completed" in shown.out


@pytest.mark.parametrize("command", [("list",), ("show", "x"), ("resume", "x")])
def test_a_store_that_is_not_there_is_not_made_by_looking(tuner, tmp_path, command):
    result = tuner(*command, "--store", f"sqlite:///{tmp_path / 'new.db'}")
    assert result.code == 1
    assert "`tuner run` makes one" in result.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["small-1", "small"])
def test_show_ranks_what_the_ledger_holds(tuner, store, form):
    shown = tuner("show", form, "--store", store, "--json").json()
    means = [row["estimates"]["loss"]["mean"] for row in shown["leaderboard"]["rows"]]
    assert means == sorted(means)
    assert len(means) == 8
    assert {group["name"] for group in shown["optimizers"]} <= {"sgd", "adam"}
    assert shown["sweep"]["id"] == ("small-1" if form == "small-1" else "small-2")
    assert "optimizer" in tuner("show", form, "--store", store).out


def test_show_one_trial_with_its_curve(tuner, store):
    trial = tuner("show", "small-1", "--trial", 2, "--store", store, "--json").json()
    assert [p["step"] for p in trial["curve"]] == list(range(4, 41, 4))
    assert {"loss", "train_loss", "lr"} <= trial["curve"][0]["metrics"].keys()
    shown = tuner("show", "small-1", "--trial", 2, "--store", store).out
    assert "optimizer = " in shown
    assert shown.count("step ") == 10


def test_best_is_the_leaderboards_first_and_can_be_run_as_a_space(tuner, store, tmp_path):
    best = tuner("best", "small-1", "--store", store, "--json").json()
    board = tuner("show", "small-1", "--store", store, "--json").json()["leaderboard"]
    assert best["trials"] == board["rows"][0]["trials"]
    text = tuner("best", "small-1", "--store", store).out
    spec = tmp_path / "winner.yaml"
    spec.write_text(f"workload: noisy-quadratic\nobjective: loss\nbudget: {{trials: 2, steps: 4}}\n{text}")
    assert tuner("run", spec, "--check").code == 0
    fixed = yaml.safe_load(text)["space"]["optimizer"][best["params"]["optimizer"]]
    assert fixed["lr"] == best["params"][f"{best['params']['optimizer']}.lr"]


def test_compare(tuner, store):
    comparison = tuner("compare", "small-1", "small-2", "--store", store, "--json").json()
    assert [entry["sweep"] for entry in comparison["entries"]] == ["small-1", "small-2"]
    assert comparison["leader"] in {"small-1", "small-2"}
    assert "small-2" in tuner("compare", "small-1", "small-2", "--store", store).out


def test_report(tuner, store, tmp_path):
    path = tuner("report", "small-1", "--store", store, "--output", tmp_path, "--json").json()["report"]
    html = (tmp_path / "small-1" / "report.html").read_text()
    assert path.endswith("report.html")
    assert html.count("<svg") > 3
    assert "<script" not in html


def test_export_csv_holds_every_trial(tuner, store):
    rows = list(csv.DictReader(io.StringIO(tuner("export", "small-1", "--format", "csv", "--store", store).out)))
    assert [row["trial"] for row in rows] == [str(i) for i in range(8)]


def test_export_curves_is_a_table_to_simulate_the_sweep_on(tuner, store, folder, tmp_path):
    table = tmp_path / "curves.json"
    assert tuner("export", "small-1", "--format", "curves", "--to", table, "--store", store).code == 0
    (played,) = tuner("simulate", table, folder / "small.yaml", "--json").json()
    assert played["outcomes"] == {"completed": 8}
    assert played["reused"] == 0
    assert played["regret"][-1]["regret"] == 0.0  # every row was played, so the best was found


def test_export_yaml_of_a_trial_and_to_a_file(tuner, store, tmp_path):
    target = tmp_path / "space.yaml"
    assert tuner("export", "small-1", "--trial", 3, "--to", target, "--store", store).code == 0
    assert "space" in yaml.safe_load(target.read_text())


def test_the_exported_script_trains_about_as_well_as_the_winner(tuner, store, tmp_path):
    script = tmp_path / "train.py"
    assert tuner("export", "small-1", "--format", "script", "--to", script, "--store", store).code == 0
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "loss" in done.stdout


@pytest.mark.parametrize("trial", [0, 5])
def test_rerun_gives_the_same_curve(tuner, store, trial):
    again = tuner("rerun", "small-1", trial, "--store", store, "--json")
    assert again.code == 0
    assert again.json()["again"]["difference"] < 1e-6
    assert "the same as recorded" in tuner("rerun", "small-1", trial, "--store", store).out


@pytest.mark.parametrize("kind", ["optimizers", "schedules", "workloads", "spaces"])
def test_registries_are_listed_and_each_entry_shown(tuner, kind):
    entries = tuner(kind, "--json").json()
    assert entries
    for entry in entries:
        one = tuner(kind, entry["name"], "--json").json()
        assert one["name"] == entry["name"]
    shown = tuner(kind, entries[0]["name"])
    assert shown.code == 0
    assert len(shown.out.splitlines()) > 3
    assert entries[-1]["name"] in tuner(kind).out


@pytest.mark.parametrize(("kind", "wrong", "right"), [
    ("optimizers", "adamm", "adam"), ("schedules", "cosin", "cosine"), ("workloads", "digits-mpl", "digits-mlp"),
    ("spaces", "algoperf-adam", "algoperf-adamw"),
])  # fmt: skip
def test_a_mistyped_name_gets_the_nearest_one(tuner, kind, wrong, right):
    result = tuner(kind, wrong)
    assert result.code == 2
    assert f"did you mean {right!r}" in result.err


def test_doctor(tuner, store):
    result = tuner("doctor", "--store", store, "--json")
    checks = {check["name"]: check for check in result.json()}
    assert result.code == 0, result.out
    assert checks["store"]["detail"].endswith("(2 sweeps)")
    assert "ok" in tuner("doctor", "--store", store).out


def test_doctor_names_what_would_fail(tuner):
    result = tuner("doctor", "--store", "nosuch://x")
    assert result.code == 1
    assert "nosuch" in result.out


def test_simulate(tuner):
    played = tuner("simulate", "examples/curves.csv", "examples/simulate.yaml", "--seeds", 2, "--json").json()
    assert [one["seed"] for one in played] == [0, 1]
    for one in played:
        budgets = [point["epochs"] for point in one["regret"]]
        assert budgets == sorted(budgets)
        assert all(point["regret"] >= 0 for point in one["regret"])
    assert "regret" in tuner("simulate", "examples/curves.csv", "examples/simulate.yaml").out
