"""The command line called in this process, and one small recorded sweep that the reviewing commands look at."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tuner.cli.app import main

SPEC = """\
workload: noisy-quadratic
objective: loss
budget: {trials: 8, steps: 40}
space:
  optimizer:
    sgd: {lr: {log: [1e-3, 1e-1]}}
    adam: {lr: {log: [1e-3, 1]}}
  schedule: [constant, cosine]
executor: inline
seed: 3
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


@pytest.fixture
def tuner(capsys):
    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        assert "tuner/cli" not in captured.err, "a traceback of ours is not a message"
        return Result(int(exit_.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with two finished sweeps of one spec, small-1 and small-2, in store.db."""
    where = tmp_path_factory.mktemp("recorded")
    spec = where / "small.yaml"
    store = f"sqlite:///{where / 'store.db'}"
    for seed in (3, 4):
        spec.write_text(SPEC.replace("seed: 3", f"seed: {seed}"))
        with pytest.raises(SystemExit) as exit_:
            main(
                ["run", str(spec), "--store", store, "--mlflow", "none", "--output", str(where / "reports"), "--quiet"]
            )
        assert not exit_.value.code
    return where


@pytest.fixture
def store(folder):
    return f"sqlite:///{folder / 'store.db'}"
