"""Files of rows: what is read is what was written, and what is not what was written is found out."""

from __future__ import annotations

import hashlib
import math

import pytest
import torch

from tuner.training.checkpoint import SUFFIX, Row, Shelf, write
from tuner.trial import TrialSpec


def spec(index, attempt=0, resume_step=0):
    return TrialSpec(
        sweep="s-1", index=index, attempt=attempt, params={}, seed=0, total_steps=99, resume_step=resume_step
    )


def state(step, seed=0):
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(7, generator=generator)
    return {
        "step": step,
        "summed": 2,
        "sum": math.inf,
        "progress": {"seen": [{"loss": 0.1 + step}], "best": None, "since_best": 1},
        "curve": [(step, {"loss": 0.1 + step, "lr": 1e-300})],
        "controller": {"best": -math.inf, "bad": 0},
        "row": {
            "params": numbers,
            "steps": torch.tensor(step),
            "state.m": numbers.to(torch.bfloat16),
            "state.v": numbers.double()[None],
            "state.odd": torch.zeros(0, 3),
        },
        "buffers": [numbers > 0, numbers.reshape(7, 1).clone()],
    }


def assert_same(left, right):
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key, value in left.items():
            assert_same(value, right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for ours, theirs in zip(left, right, strict=True):
            assert_same(ours, theirs)
    else:
        assert left == right


def filled(folder):
    """Two files: two trials in one state and another after 10 steps; then all of them after 20."""
    return [
        write(
            folder,
            [
                Row(attempts=(spec(0), spec(1, attempt=2)), saved=state(step, seed=0)),
                Row(attempts=(spec(2),), saved=state(step, seed=1)),
            ],
        )
        for step in (10, 20)
    ]


def find(folder, index, step):
    warnings = []
    return Shelf(warnings.append).find(folder, spec(index, attempt=7, resume_step=step)), warnings


@pytest.mark.parametrize(("index", "seed"), [(0, 0), (1, 0), (2, 1)])
@pytest.mark.parametrize("step", [10, 20])
def test_a_state_is_read_as_it_was_written(tmp_path, index, seed, step):
    for path in filled(tmp_path):
        assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    found, warnings = find(tmp_path, index, step)
    assert_same(found, state(step, seed))
    assert warnings == []
    assert {path.suffix for path in tmp_path.iterdir()} == {SUFFIX}


def test_what_is_nowhere_is_not_found(tmp_path):
    filled(tmp_path)
    for index, step in ((3, 10), (0, 11)):
        assert find(tmp_path, index, step) == (None, [])
    assert find(tmp_path / "elsewhere", 0, 10) == (None, [])
    other = TrialSpec(sweep="s-2", index=0, params={}, seed=0, total_steps=99, resume_step=10)
    assert Shelf(pytest.fail).find(tmp_path, other) is None


def test_a_shelf_sees_files_that_come_and_go(tmp_path):
    shelf = Shelf(pytest.fail)
    assert shelf.find(tmp_path, spec(0, resume_step=10)) is None
    first, _ = filled(tmp_path)
    assert shelf.find(tmp_path, spec(0, resume_step=10)) is not None
    first.unlink()
    assert shelf.find(tmp_path, spec(0, resume_step=10)) is None
    assert shelf.find(tmp_path, spec(0, resume_step=20)) is not None


@pytest.mark.parametrize("part", range(12))
def test_a_flipped_bit_anywhere_is_found_out_and_the_file_before_serves(tmp_path, part):
    _, newest = filled(tmp_path)
    data = bytearray(newest.read_bytes())
    data[min(part * len(data) // 11, len(data) - 1)] ^= 1
    newest.write_bytes(data)
    found, warnings = find(tmp_path, 0, 20)
    assert found is None
    assert len(warnings) <= 1  # a file whose header says nothing of the trial cannot be missed
    found, _ = find(tmp_path, 0, 10)
    assert_same(found, state(10))


@pytest.mark.parametrize("left", [0, 1, 8, 9, 100, 0.5, 0.9, -1])
def test_a_file_that_was_cut_short_is_found_out(tmp_path, left):
    _, newest = filled(tmp_path)
    data = newest.read_bytes()
    newest.write_bytes(data[: int(left * len(data)) if isinstance(left, float) else left])
    found, (warning,) = find(tmp_path, 0, 20)
    assert found is None
    assert str(newest) in warning
    assert "damaged" in warning


def test_a_file_that_holds_something_else_is_found_out(tmp_path):
    (tmp_path / f"mine{SUFFIX}").write_bytes(b"hello, this is no checkpoint at all")
    filled(tmp_path)
    found, (warning,) = find(tmp_path, 0, 20)
    assert_same(found, state(20))
    assert "mine" in warning
