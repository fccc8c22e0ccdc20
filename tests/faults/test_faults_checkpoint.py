"""A save that dies, or meets a full disk, at any of its system calls: what a reader finds is whole, or is not there."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from tuner.training.checkpoint import PART, SUFFIX, Row, Shelf, write
from tuner.trial import TrialSpec

CALLS = ("open", "write", "fsync", "close", "replace", "unlink")
SAVE = ["open", *["write"] * 3, "fsync", "close", "replace", "open", "fsync", "close"]
"""What a save does, where the disk takes a third of it at a time."""


class Killed(BaseException):
    """The process is gone: nothing that Python would still do counts."""


class Disk:
    """Stands for ``os``: does what it is asked until call ``number``, then ``fail``s; writes come in parts.

    It knows what a loss of power would take: contents and names that nobody has waited for.
    """

    def __init__(self, monkeypatch, number=-1, fail=None, parts=3):
        self.number, self.fail, self.parts = number, fail, parts
        self.made, self.dead = [], False
        self.unsynced, self.names, self.size = {}, {}, None
        self.real = {name: getattr(os, name) for name in CALLS}
        for name in CALLS:
            monkeypatch.setattr(os, name, lambda *a, name=name, **k: self.call(name, *a, **k))

    def call(self, name, *args, **kwargs):
        if self.dead:
            raise Killed
        self.made.append(name)
        if len(self.made) - 1 == self.number:
            self.fail(self, name, *args)
        return getattr(self, name)(*args, **kwargs) if hasattr(self, name) else self.real[name](*args, **kwargs)

    def open(self, path, *args, **kwargs):
        descriptor = self.real["open"](path, *args, **kwargs)
        self.names[descriptor] = str(path)
        return descriptor

    def write(self, descriptor, data):
        self.size = self.size or -(-len(data) // self.parts)
        self.unsynced[self.names[descriptor]] = "contents"
        return self.real["write"](descriptor, bytes(data[: self.size]))

    def fsync(self, descriptor):
        self.real["fsync"](descriptor)
        name = self.names[descriptor]
        self.unsynced.pop(name, None)
        self.unsynced = {path: what for path, what in self.unsynced.items() if os.path.dirname(path) != name}  # noqa: PTH120

    def replace(self, source, target):
        self.real["replace"](source, target)
        self.unsynced[str(target)] = "name"


def die(disk, name, *args):
    if name == "write":  # in the middle of it
        disk.real["write"](args[0], bytes(args[1][: disk.size // 2 if disk.size else 10]))
        disk.unsynced[disk.names[args[0]]] = "contents"
    disk.dead = True
    raise Killed


def full(disk, name, *args):
    if name == "write":
        disk.real["write"](args[0], bytes(args[1][:10]))
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def spec(step):
    return TrialSpec(sweep="s-1", index=0, params={}, seed=0, total_steps=99, resume_step=step)


def rows(step):
    state = {"step": step, "curve": [], "row": {"params": torch.full((50,), float(step))}, "buffers": []}
    return [Row(attempts=(spec(0),), saved=state)]


def found(folder, step):
    """Whether a reader finds the state after ``step`` steps; it finds no other in its place, and no damage."""
    state = Shelf(pytest.fail).find(folder, spec(step))
    assert state is None or torch.equal(state["row"]["params"], torch.full((50,), float(step)))
    return state is not None


@pytest.mark.parametrize("power", [True, False], ids=["power stays", "power lost"])
@pytest.mark.parametrize("number", range(len(SAVE)))
def test_a_save_that_is_killed_anywhere_leaves_what_can_be_read(tmp_path, number, power):
    write(tmp_path, rows(1))
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, number, die)
        with pytest.raises(Killed):
            write(tmp_path, rows(2))
        assert disk.made == SAVE[: number + 1]
    if not power:
        for path, what in disk.unsynced.items():
            if what == "name":
                os.unlink(path)  # noqa: PTH108
            elif os.path.exists(path):  # noqa: PTH110
                os.truncate(path, 5)
    assert found(tmp_path, 1)
    assert found(tmp_path, 2) == (number > SAVE.index("replace") and (power or number == len(SAVE) - 1))
    write(tmp_path, rows(2))
    assert found(tmp_path, 2)


def test_a_save_that_is_not_disturbed_makes_these_calls(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    path = write(tmp_path, rows(2))
    assert disk.made == SAVE
    assert disk.unsynced == {}
    assert path.exists()


@pytest.mark.parametrize("number", range(len(SAVE)))
def test_a_disk_that_is_full_at_any_call_is_an_error_and_nothing_is_torn(tmp_path, number):
    write(tmp_path, rows(1))
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, number, full)
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path, rows(2))
        assert disk.made[: number + 1] == SAVE[: number + 1]
    assert found(tmp_path, 1)
    assert found(tmp_path, 2) == (number > SAVE.index("replace"))
    assert [path for path in tmp_path.iterdir() if path.suffix == PART] == []
    write(tmp_path, rows(2))
    assert found(tmp_path, 2)
    assert len(list(tmp_path.glob(f"*{SUFFIX}"))) == 2
