"""Compiling behind the running steps: what comes out agrees, is kept on disk, and may fail in every way."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from test_training_engine import Blobs, close, curves, outcome, plan, trial

from tuner.training import Engine
from tuner.training.compiler import Compilation, Compiler
from tuner.training.pace import SINGLE
from tuner.trial import State

TRIALS = [trial(0, optimizer="adam"), trial(1, schedule="cosine", clip_norm=0.5)]
LONG = 60.0  # seconds that a compiler may take on a busy machine


def engine(folder, *, form=None):
    eager = Compiler(folder=folder, look=0.0, pay=0.0)
    return Engine(Blobs(), plan(), slots=2, dtype=torch.float64, form=form, compiler=eager, clock=lambda: 0.0)


def train(made, trials=TRIALS, *, until=lambda _: True):
    """Every event of the trials in ``made``, whose first steps wait until the compiler has come so far."""
    for spec in trials:
        made.admit(spec)
    events = made.step()
    patience = time.monotonic() + LONG
    while not until(made):
        assert time.monotonic() < patience
        time.sleep(0.05)
        (bucket,) = made._rack.buckets()
        bucket.structure.advance_compiling(bucket.rows, bucket._some_arguments)
    while not made.is_idle():
        events += made.step()
    made.close()
    return events


def structure(made):
    (found,) = made._rack._structures.values()
    return found


def is_compiled(made):
    return bool(structure(made).compiled)


@pytest.fixture(scope="module")
def eager():
    made = Engine(Blobs(), plan(), slots=2, dtype=torch.float64, form="fused", clock=lambda: 0.0)
    return curves(train(made))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder with a compiled step, and the curves of those that it was made for."""
    folder = tmp_path_factory.mktemp("steps")
    made = engine(folder, form="compiled")
    events = train(made, until=is_compiled)
    assert structure(made).pace.last == "compiled"
    return folder, curves(events)


def copied(folder, tmp_path):
    """The compiled step, to be spoilt."""
    (code,) = folder.glob("*.pt2")
    copy = tmp_path / code.name
    copy.write_bytes(code.read_bytes())
    return copy


def test_compiled_steps_compute_what_eager_ones_do(compiled, eager):
    folder, found = compiled
    for index, curve in eager.items():
        close(found[index], curve)
    assert len(list(folder.iterdir())) == 1, "one file, whole, and nothing beside it"


def test_one_compiled_step_serves_trial_by_trial(eager, tmp_path):
    made = engine(tmp_path, form=SINGLE)
    found = curves(train(made, until=is_compiled))
    assert (structure(made).pace.last, list(structure(made).compiled)) == (SINGLE, [1])
    for index, curve in eager.items():
        close(found[index], curve)


def test_what_is_on_disk_is_loaded_and_not_compiled_again(compiled, monkeypatch):
    folder, found = compiled
    monkeypatch.setattr(Compilation, "_start", lambda self: pytest.fail("compiled again"))
    made = engine(folder, form="compiled")
    events = train(made, [trial(0, optimizer="lion"), TRIALS[1]])
    assert structure(made).pace.last == "compiled", "from the second step on"
    close(curves(events)[1], found[1])


@pytest.mark.parametrize("spoil", [lambda code: b"", lambda code: code[: len(code) // 2], lambda code: b"x" * 1000])
def test_a_damaged_file_is_removed_and_compiled_anew(compiled, eager, tmp_path, monkeypatch, spoil):
    code = copied(compiled[0], tmp_path)
    whole = code.read_bytes()
    code.write_bytes(spoil(whole))

    def mend(compilation):
        started.append(compilation)
        code.write_bytes(whole)

    started = []
    monkeypatch.setattr(Compilation, "_start", mend)
    made = engine(tmp_path, form="compiled")
    events = train(made, until=is_compiled)
    assert len(started) == 1
    for index, curve in eager.items():
        close(curves(events)[index], curve)


def failing(monkeypatch, how):
    if how == "no compiler":
        monkeypatch.setenv("CXX", "/nowhere/c++")
    else:
        monkeypatch.setattr("sys.executable", how)


@pytest.mark.parametrize("how", ["no compiler", "/bin/false", "/nowhere/python"])
def test_where_nothing_compiles_one_line_says_so_and_training_goes_on(tmp_path, monkeypatch, caplog, eager, how):
    failing(monkeypatch, how)
    made = engine(tmp_path, form="fused")
    with caplog.at_level(logging.WARNING, "tuner.training"):
        events = train(made, until=lambda made: structure(made).compiler is None)
    (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("tuner.training")]
    assert line.startswith("steps stay uncompiled")
    assert curves(events) == eager
    assert not list(tmp_path.glob("*.pt2"))


def test_code_that_computes_something_else_is_not_used(tmp_path, caplog, monkeypatch, eager):
    def wrong(compilation):
        return lambda *flat: [x * 1.01 for x in compilation.right(*flat)]

    made = engine(tmp_path, form="compiled")
    monkeypatch.setattr(Compilation, "start", lambda self: None)
    monkeypatch.setattr(Compilation, "ready", wrong)
    monkeypatch.setattr(Compilation, "right", lambda self, *flat: structure(made)._flat(*flat), raising=False)
    with caplog.at_level(logging.WARNING, "tuner.training"):
        assert curves(train(made)) == eager
    assert "off by" in caplog.text


def test_nans_of_compiled_code_are_noticed(tmp_path, caplog, monkeypatch, eager):
    monkeypatch.setattr(Compilation, "start", lambda self: None)
    made = engine(tmp_path, form="compiled")
    monkeypatch.setattr(Compilation, "ready", lambda self: lambda *flat: [x * float("nan") for x in right(*flat)])

    def right(*flat):
        return structure(made)._flat(*flat)

    with caplog.at_level(logging.WARNING, "tuner.training"):
        assert curves(train(made)) == eager
    assert "off by nan" in caplog.text


def test_closing_ends_a_compilation_under_way(tmp_path):
    made = engine(tmp_path, form="fused")
    for spec in TRIALS:
        made.admit(spec)
    made.step()
    (compilation,) = structure(made).compilations.values()
    process, scratch = compilation._process, Path(compilation._scratch.name)
    assert process.poll() is None
    made.close()
    assert process.returncode == -signal.SIGKILL
    assert not scratch.exists()
    assert not list(tmp_path.glob("*.pt2"))
    made.close()


def test_a_killed_compiler_leaves_no_half_file(tmp_path, caplog, eager):
    made = engine(tmp_path, form="fused")

    def killed(made):
        for compilation in structure(made).compilations.values():
            if compilation is not None and compilation._process is not None:
                os.killpg(compilation._process.pid, signal.SIGKILL)
                compilation._process.wait()
        return structure(made).compiler is None

    with caplog.at_level(logging.WARNING, "tuner.training"):
        assert curves(train(made, until=killed)) == eager
    assert "the compiler ended with -9" in caplog.text
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".pt2"]


class Looking(Blobs):
    """Cannot be batched, nor traced."""

    def loss(self, outputs, targets, label_smoothing):
        return super().loss(outputs, targets, label_smoothing) * (2.0 if outputs.sum() > 0 else 1.0)


def test_a_lone_slot_is_never_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(Compilation, "__init__", lambda *_: pytest.fail("traced"))
    made = Engine(Blobs(), plan(), slots=1, compiler=Compiler(folder=tmp_path, look=0.0, pay=0.0))
    assert outcome(train(made, TRIALS[:1]), 0).outcome is State.COMPLETED


def test_code_that_cannot_be_traced_goes_on_without_a_word(tmp_path, caplog):
    made = Engine(Looking(), plan(), slots=2, compiler=Compiler(folder=tmp_path, look=0.0, pay=0.0))
    with caplog.at_level(logging.WARNING, "tuner.training"):
        assert outcome(train(made), 1).outcome is State.COMPLETED
    assert structure(made).compiler is None
    assert not caplog.records
