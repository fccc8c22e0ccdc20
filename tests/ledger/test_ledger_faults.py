"""When the database fails: a StoreError that says what to do, nothing lost, nothing torn, and append works again."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tuner.errors import StoreError
from tuner.ledger import open_ledger
from tuner.ledger.migrations import HEAD
from tuner.trial import Event, Reported


def reports(trial: int, count: int) -> list[Event]:
    return [Reported(trial=trial, attempt=0, at=1.0, step=s, metrics={"loss": 1 / (s + 1)}) for s in range(count)]


# ---------------------------------------------------------------- while writing: each fault, and its end


@contextmanager
def disk_full(path: Path) -> Iterator[None]:
    """No file of this process may grow past what the ledger's files take now."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(p.stat().st_size for p in path.parent.iterdir()), old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes, and does not finish."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


FAULTS = {"disk full": (disk_full, "disk"), "locked": (locked, "another process is writing")}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_loses_nothing_and_append_works_once_it_is_over(tmp_path, make, fault):
    path = tmp_path / "ledger.db"
    happens, message = FAULTS[fault]
    with closing(open_ledger(f"sqlite:///{path}?timeout=0.05")) as ledger:
        sweep = make.sweep(ledger).id
        before = [make.proposed(sweep, 0), *reports(0, 10)]
        batch = [make.proposed(sweep, 1), *reports(1, 5000)]
        ledger.append(sweep, before)
        with happens(path):
            for _ in range(2):
                with pytest.raises(StoreError, match=f"{path}.*{message}.*try again"):
                    ledger.append(sweep, batch)
                assert list(ledger.events(sweep)) == before
        ledger.append(sweep, batch)
        assert list(ledger.events(sweep)) == before + batch
    with closing(open_ledger(f"sqlite:///{path}")) as ledger:
        assert list(ledger.events(sweep)) == before + batch


def test_a_full_database_is_a_full_disk(tmp_path, make):
    with closing(open_ledger(f"sqlite:///{tmp_path}/ledger.db")) as ledger:
        sweep = make.sweep(ledger).id
        ledger.append(sweep, [make.proposed(sweep, 0)])
        with ledger._database.engine.connect() as connection:  # the pool hands the same connection out again
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError, match="the disk is full; free some space"):
            ledger.append(sweep, reports(0, 5000))
        assert list(ledger.events(sweep)) == [make.proposed(sweep, 0)]


def test_a_damaged_file_is_named(tmp_path, make):
    path = tmp_path / "ledger.db"
    with closing(open_ledger(f"sqlite:///{path}")) as ledger:
        sweep = make.sweep(ledger).id
        ledger.append(sweep, [make.proposed(sweep, 0), *reports(0, 2000)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size - size // 2))
    with pytest.raises(StoreError, match=r"damaged.*\.recover"), closing(open_ledger(f"sqlite:///{path}")) as ledger:
        list(ledger.events(sweep))


WRITER = """
import sys
from tuner.ledger import open_ledger
from tuner.ledger.migrations import HEAD
from tuner.trial import Objective, Proposed, Reported, TrialSpec
ledger = open_ledger(sys.argv[1])
sweep = ledger.create(name="killed", spec={}, spec_text="", environment={}, objectives=[], seed=0, repeats=1, at=0.0).id
for i in range(10**6):
    spec = TrialSpec(sweep=sweep, index=i, params={}, seed=i, total_steps=1)
    reports = [Reported(trial=i, attempt=0, at=0.0, step=s, metrics={"loss": 1.0}) for s in range(9)]
    ledger.append(sweep, [Proposed(spec=spec, at=0.0), *reports])
    print(i, flush=True)
"""


def test_a_killed_writer_loses_no_batch_that_was_recorded_and_tears_none(store):
    with subprocess.Popen([sys.executable, "-c", WRITER, store], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if line == "40\n":
                writer.send_signal(signal.SIGKILL)
                break
        acknowledged = 40 + len(writer.stdout.read().split())
    with closing(open_ledger(store)) as ledger:
        events = list(ledger.events("killed-1"))
        assert len(events) % 10 == 0
        assert len(events) // 10 >= acknowledged + 1
        assert [e.trial for e in events] == [i for i in range(len(events) // 10) for _ in range(10)]


# ---------------------------------------------------------------- while opening


# What a person may give as a store, FOLDER being one with some files, and what they must be told.
UNOPENABLE = {
    "not a URL": ("tuner.db", r"expected a database URL such as sqlite:///tuner.db .* got 'tuner.db'"),
    "empty": ("", "expected a database URL"),
    "bad port": ("postgresql://user:secret@host:port/db", r"expected a database URL .*'\*\*\*@host:port/db'"),
    "other database": ("mysql://user:secret@host/db", r"kept in sqlite or postgresql, got '\*\*\*@host/db'"),
    "unknown driver": ("sqlite+nonesuch:///x.db", "no driver is called 'sqlite.nonesuch'"),
    "bad option": ("sqlite:///FOLDER/x.db?timeout=soon", "an option of .*timeout=soon has no sense"),
    "missing folder": ("sqlite:///FOLDER/missing/x.db", "cannot be opened; check that its folder exists"),
    "below a file": ("sqlite:///FOLDER/file/x.db", "cannot be opened; check that its folder exists"),
    "a folder": ("sqlite:///FOLDER", "cannot be opened"),
    "unwritable folder": ("sqlite:////proc/x.db", "cannot be opened; .*that you may write there"),
    "read only": ("sqlite:///file:FOLDER/empty.db?mode=ro&uri=true", "it may only be read; change the permissions"),
    "not a database": ("sqlite:///FOLDER/text.db", "the file is not a SQLite database; give another store"),
    "another program's": ("sqlite:///FOLDER/optuna.db", "another program keeps its table 'trials' there"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    (tmp_path / "text.db").write_text("this is not a database, and longer than the header of one; " * 10)
    for name, statement in (("optuna.db", "CREATE TABLE trials (trial_id INTEGER)"), ("empty.db", "VACUUM")):
        with closing(sqlite3.connect(tmp_path / name)) as other:
            other.execute(statement)
    return tmp_path


@pytest.mark.parametrize("case", UNOPENABLE)
def test_a_store_that_cannot_be_opened_says_what_to_give_instead(folder, case):
    url, message = UNOPENABLE[case]
    with pytest.raises(StoreError, match=f"^store.*{message}") as raised:
        open_ledger(url.replace("FOLDER", str(folder)))
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_driver_is_named_with_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        StoreError, match=r"driver of postgresql://user:\*\*\*@host/db .*psycopg.*pip install 'psycopg\[binary\]'"
    ):
        open_ledger("postgresql://user:secret@host/db")


def test_a_newer_schema_is_left_alone(tmp_path, make):
    path = tmp_path / "ledger.db"
    with closing(open_ledger(f"sqlite:///{path}")) as ledger:
        make.sweep(ledger)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("UPDATE tuner_schema SET version_num = '9999'")
        newer.commit()
    with pytest.raises(StoreError, match=rf"its schema is 9999, this program knows up to {HEAD}; .*upgrade this one"):
        open_ledger(f"sqlite:///{path}")
