"""From a reference to a workload: every form of one, and every way in which it can be wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest

from tuner.errors import TunerError, UnknownNameError, UsageError, WorkloadError
from tuner.workloads import WORKLOADS, Workload, load, names

MINE = """
import torch
from torch import nn
from tuner.workloads import Classification, Split

class Mine(Classification):
    def data(self):
        points, labels = torch.eye(2), torch.arange(2)
        return Split(train=(points, labels), valid=(points, labels))
    def model(self):
        return nn.Linear(2, 2)

ready = Mine()
number = 3

class Needy(Mine):
    def __init__(self, size): ...

class Refusing(Mine):
    def __init__(self):
        raise KeyError("no such corpus")

class Unfinished(Classification):
    def data(self): ...
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.mark.parametrize("name", names())
def test_a_name_is_its_class(name: str):
    assert type(load(name)) is WORKLOADS[name]


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(
        UnknownNameError, match=r"unknown workload 'digits_mlp'; did you mean 'digits-mlp'\?; known: .*iris"
    ):
        load("digits_mlp")


def test_a_class_in_a_file(mine: Path):
    workload = load(f"{mine}:Mine")
    assert isinstance(workload, Workload)
    assert type(workload).__name__ == "Mine"


def test_an_instance_in_a_file(mine: Path):
    assert load(f"{mine}:ready") is load(f"{mine}:ready")


def test_a_relative_path_starts_at_the_current_folder(mine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(mine.parent)
    assert type(load("mine.py:Mine")) is type(load(f"{mine}:Mine"))


def test_a_file_is_run_once(mine: Path):
    first, second = load(f"{mine}:Mine"), load(f"{mine}:Mine")
    assert type(first) is type(second)
    assert getattr(sys.modules[type(first).__module__], "Mine") is type(first)  # noqa: B009


def test_an_edited_file_is_run_again_even_with_its_old_size_and_time(mine: Path):
    load(f"{mine}:Mine")
    before = mine.stat()
    mine.write_text(MINE.replace("nn.Linear(2, 2)", "nn.Linear(2, 7)"))
    os.utime(mine, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert load(f"{mine}:Mine").model().out_features == 7


def test_two_files_of_one_name_do_not_mix(mine: Path, tmp_path: Path):
    other = tmp_path / "elsewhere" / "mine.py"
    other.parent.mkdir()
    other.write_text(MINE)
    assert type(load(f"{mine}:Mine")).__module__ != type(load(f"{other}:Mine")).__module__


def test_a_class_in_an_installed_module():
    assert type(load("tuner.workloads.builtin.iris:Iris")) is WORKLOADS["iris"]


def wrong(kind: type[TunerError], expected: str, ref: str):
    return pytest.param(kind, expected, ref, id=ref.format(folder="") or "empty")


@pytest.mark.parametrize(
    ("kind", "expected", "ref"),
    [
        wrong(UnknownNameError, r"unknown workload ''", ""),
        wrong(UsageError, r"expected a class in the file; write it as .*mine.py:Name", "{folder}/mine.py"),
        wrong(UsageError, r"workload file .*absent.py: No such file or directory", "{folder}/absent.py:Mine"),
        wrong(UsageError, r"workload file .*folder.py: Is a directory", "{folder}/folder.py:Mine"),
        wrong(
            UnknownNameError, r"unknown workload in .*mine.py 'Mien'; did you mean 'Mine'\?", "{folder}/mine.py:Mien"
        ),
        wrong(UsageError, r"expected a subclass of tuner.workloads.Workload, got 3$", "{folder}/mine.py:number"),
        wrong(UsageError, r"expected a subclass .*, got <class .*Linear'>$", "torch.nn:Linear"),
        wrong(WorkloadError, r"mine.py:Needy: TypeError: .*'size'", "{folder}/mine.py:Needy"),
        wrong(
            WorkloadError, r"mine.py:Refusing: .*mine.py:21: KeyError: 'no such corpus'", "{folder}/mine.py:Refusing"
        ),
        wrong(WorkloadError, r"TypeError: Can't instantiate abstract class Unfinished", "{folder}/mine.py:Unfinished"),
        wrong(UsageError, r"workload module 'no_such': not found; install", "no_such:Mine"),
        wrong(UsageError, r"workload module 'torch.no_such': not found; .*path/to/file.py:name", "torch.no_such:Mine"),
        wrong(
            UsageError, r"workload module 'no_such.at_all': No module named 'no_such'; install", "no_such.at_all:Mine"
        ),
        wrong(UsageError, r"workload module '': .*; install its package", ":Mine"),
        wrong(
            WorkloadError,
            r"workload file raises.py: .*raises.py:2: ZeroDivisionError: division",
            "{folder}/raises.py:X",
        ),
        wrong(WorkloadError, r"workload file exits.py: .*exits.py:2: SystemExit: 3", "{folder}/exits.py:X"),
        wrong(WorkloadError, r"workload file syntax.py: .*syntax.py:2: SyntaxError: ", "{folder}/syntax.py:X"),
        wrong(WorkloadError, r"imports.py:1: ModuleNotFoundError: No module named 'no_such'", "{folder}/imports.py:X"),
        wrong(WorkloadError, r"workload file binary.py: .*(SyntaxError|ValueError)", "{folder}/binary.py:X"),
    ],
)
def test_a_wrong_reference(kind: type[TunerError], expected: str, ref: str, mine: Path):
    (mine.parent / "folder.py").mkdir()
    (mine.parent / "raises.py").write_text("def half():\n    return 1 / 0\nhalf()\n")
    (mine.parent / "exits.py").write_text("import sys\nsys.exit(3)\n")
    (mine.parent / "syntax.py").write_text("one = 1\nclass :\n")
    (mine.parent / "imports.py").write_text("import no_such\n")
    (mine.parent / "binary.py").write_bytes(b"\x00\xff\xfe\x80")
    with pytest.raises(kind, match=expected) as raised:
        load(ref.format(folder=mine.parent))
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("package", "kind", "expected"),
    [
        ("", WorkloadError, r"workload module 'package.mine': .*mine.py:2: ZeroDivisionError: division"),
        ("1 / 0", WorkloadError, r"workload module 'package.mine': ZeroDivisionError: division"),
        ("import absent", UsageError, r"workload module 'package.mine': No module named 'absent'; install"),
    ],
)
def test_a_package_that_cannot_be_imported(
    package: str, kind: type[TunerError], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(package)
    (tmp_path / "package" / "mine.py").write_text("\n1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "package", raising=False)
    with pytest.raises(kind, match=expected):
        load("package.mine:Mine")


def test_the_nearest_names_leave_out_what_a_file_only_imports(mine: Path):
    with pytest.raises(UnknownNameError) as raised:
        load(f"{mine}:Nothing")
    assert raised.value.known == ("Mine", "Needy", "Refusing", "Unfinished", "ready")


def test_a_file_that_failed_leaves_no_module_and_can_be_mended(tmp_path: Path):
    path = tmp_path / "draft.py"
    path.write_text("1 / 0")
    modules = set(sys.modules)
    with pytest.raises(WorkloadError):
        load(f"{path}:Mine")
    assert set(sys.modules) == modules
    path.write_text(MINE)
    assert type(load(f"{path}:Mine")).__name__ == "Mine"


def test_a_class_in_a_file_travels_to_a_process_without_the_file(mine: Path):
    workload = load(f"{mine}:Mine")
    module = sys.modules[type(workload).__module__]
    cloudpickle.register_pickle_by_value(module)
    try:
        content = cloudpickle.dumps(workload)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    mine.unlink()
    there = "import pickle, sys; print(pickle.load(sys.stdin.buffer).model())"
    done = subprocess.run([sys.executable, "-c", there], input=content, capture_output=True, check=False)
    assert done.stdout.decode().startswith("Linear(in_features=2"), done.stderr.decode()


def test_the_names_need_no_data_package():
    there = "import sys, tuner.workloads; print(sorted({'sklearn', 'pydoc_data.topics'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", there], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_metrics_written_as_a_method_are_named(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from tuner.workloads import Regression\nclass Mine(Regression):\n    def metrics(self): return {}\n"
    )
    with pytest.raises(WorkloadError, match=r"mine.py:2: TypeError: Mine.metrics: expected a mapping"):
        load(f"{file}:Mine")
