"""A user's mistakes: one message that names rule, value, place and remedy; the right exit code; never a traceback."""

from __future__ import annotations

import pytest
from cli_specs import spec_text


@pytest.fixture
def run(tuner, tmp_path):
    def call(text, *arguments):
        path = tmp_path / "sweep.yaml"
        path.write_text(text)
        store = f"sqlite:///{tmp_path / 'store.db'}"
        output = ("--output", tmp_path / "reports")
        return tuner("run", path, *(arguments or ("--store", store, "--mlflow", "none", *output, "--quiet")))

    return call


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "[adamm]"}, "did you mean 'adam'"),
        ({"optimizer": "{adam: {lr: {log: [0, 1]}}}"}, "log"),
        ({"optimizer": "{adam: {lr: {uniform: [2, 1]}}}"}, "low"),
        ({"optimizer": "{adam: {lr: -0.1}}"}, "> 0"),
        ({"optimizer": "{adam: {lrr: 0.1}}"}, "did you mean 'lr'"),
        ({"objective": "accuracyy"}, "accuracyy"),
        ({"workload": "digits-mpl"}, "did you mean 'digits-mlp'"),
        ({"sampler": "tpee"}, "tpe"),
        ({"budget": "{trials: 0}"}, "trials"),
    ],
)
def test_a_bad_spec_names_what_where_and_remedy(run, change, message):
    result = run(spec_text(**change))
    assert result.code == 2
    assert message in result.err


def test_spec_errors_carry_file_and_line(run):
    result = run(spec_text(optimizer="{adam: {lr: -0.1}}"))
    assert "sweep.yaml:" in result.err
    assert "adam.lr" in result.err


@pytest.mark.parametrize("arguments", [("run",), ("run", "no-such.yaml"), ("frobnicate",), ("show", "--nonsense")])
def test_bad_usage_is_exit_code_2(tuner, arguments):
    assert tuner(*arguments).code == 2


def test_an_unknown_sweep_names_the_known_ones(tuner, store):
    result = tuner("show", "smal1", "--store", store)
    assert result.code == 2
    assert "did you mean 'small-" in result.err


def test_an_unknown_trial(tuner, store):
    assert "99" in tuner("rerun", "small-1", 99, "--store", store).err


@pytest.mark.parametrize("url", ["nosuch://x", "not a url", "sqlite:////proc/no/such.db", "sqlite:////dev/null/x.db"])
def test_a_store_that_cannot_be_is_one_clear_line(run, tmp_path, url):
    result = run(spec_text(), "--store", url, "--mlflow", "none")
    assert result.code == 1
    assert result.err.startswith("error: ")


def test_a_workload_file_that_raises_shows_the_users_line(run, tmp_path):
    (tmp_path / "mine.py").write_text("x = 1\nraise RuntimeError('no data today')\n")
    result = run(spec_text(workload=f"{tmp_path / 'mine.py'}:Mine"))
    assert result.code == 1
    assert "no data today" in result.err
    assert "mine.py" in result.err


NAN = """
import torch
from torch import nn
from tuner.workloads import Regression, Split

class Rotten(Regression):
    def data(self):
        x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
        return Split(train=(x, x[:, :1]), valid=(x, x[:, :1]))
    def model(self):
        return nn.Linear(2, 1)
    def loss(self, outputs, targets):
        return super().loss(outputs, targets) * {factor}
"""


def test_a_loss_that_is_nan_from_the_first_step_is_an_outcome_not_an_error(run, tuner, tmp_path):
    (tmp_path / "rotten.py").write_text(NAN.format(factor="(float('nan') if len(outputs) == 16 else 1.0)"))
    text = spec_text(workload=f"{tmp_path / 'rotten.py'}:Rotten", extra="  workload: {batch_size: 16}\n")
    result = run(text)
    assert result.code == 0, result.err
    assert "6 diverged" in result.out
    shown = tuner("show", "sweep-1", "--trial", 0, "--store", f"sqlite:///{tmp_path / 'store.db'}", "--json").json()
    assert shown["state"] == "diverged"
    assert shown["note"] == "loss became nan at step 1"


def test_trials_that_all_fail_end_the_sweep_with_the_users_error(run, tmp_path):
    body = "(1 / 0 if len(outputs) == 16 else 1.0)"
    (tmp_path / "broken.py").write_text(NAN.format(factor=body))
    result = run(spec_text(workload=f"{tmp_path / 'broken.py'}:Rotten", extra="  workload: {batch_size: 16}\n"))
    assert result.code == 1
    assert "the first 5 trials all failed" in result.err
    assert "ZeroDivisionError: division by zero" in result.err


def test_an_mlflow_that_refuses_costs_a_warning_and_nothing_else(run, tmp_path):
    store = f"sqlite:///{tmp_path / 'store.db'}"
    result = run(spec_text(), "--store", store, "--mlflow", "http://127.0.0.1:9", "--output", tmp_path / "reports")
    assert result.code == 0
    assert "6 completed" in result.out
    assert "tuner sync sweep-1" in result.err


def test_a_report_that_cannot_be_written_says_what_is_safe(run, tmp_path):
    (tmp_path / "taken").write_text("a file")
    store = f"sqlite:///{tmp_path / 'store.db'}"
    result = run(spec_text(), "--store", store, "--mlflow", "none", "--quiet", "--output", tmp_path / "taken")
    assert result.code == 1
    assert "the ledger is complete" in result.err
