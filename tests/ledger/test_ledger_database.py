"""The database below: its schema, its settings, how it is opened, and how few statements it takes."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, PrimaryKeyConstraint, UniqueConstraint, create_engine, event, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from tuner.ledger import migrations, open_ledger
from tuner.ledger.migrations import HEAD, VERSION_TABLE
from tuner.ledger.rows import EVENT_TABLES, encode
from tuner.ledger.schema import metadata, trials
from tuner.trial import Lost, Paused, Proposed, Started, State

SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture
def opened(store):
    with closing(open_ledger(store)) as ledger:
        yield ledger


@contextmanager
def statements(ledger):
    """The SQL that the block sends."""
    sent = []
    listener = ("before_cursor_execute", lambda *args: sent.append(args[2]))
    event.listen(ledger._database.engine, *listener)
    yield sent
    event.remove(ledger._database.engine, *listener)


def clauses(sql: str) -> list[str]:
    """The columns and constraints of a CREATE TABLE; a column that was added later stands in another one's line."""
    _, _, inside = sql.partition("(")
    return sorted(c.strip() for c in re.split(r",(?![^(]*\))", inside.strip()[:-1]))


def test_the_migrations_build_the_schema(opened):
    with opened._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        built = dict(connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all())
    for table in metadata.tables.values():  # what the comparison does not look at: constraints in full
        declared = str(CreateTable(table).compile(dialect=opened._database.engine.dialect))
        assert clauses(declared) == clauses(built[table.name])


def copied(saved: str, url: str, version: str) -> str:
    """The empty database at ``url`` once it holds what ``saved`` holds, in tables of that version."""
    older, newer = create_engine(saved), create_engine(url)
    with newer.begin() as target:
        config = Config(attributes={"connection": target})
        config.set_main_option("script_location", migrations.__path__[0])
        command.upgrade(config, version)
    with older.connect() as source, newer.begin() as target:
        tables = MetaData()
        tables.reflect(source)
        for table in tables.sorted_tables:
            rows = [dict(row) for row in source.execute(table.select()).mappings()]
            if rows and table.name != VERSION_TABLE:
                target.execute(insert(table), rows)
    older.dispose()
    newer.dispose()
    return url


@pytest.mark.parametrize("saved", sorted(SCHEMAS.glob("*.sql")), ids=lambda path: path.stem)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_ledger_of_an_older_program_is_upgraded_with_all_it_holds(request, database, saved, tmp_path):
    with closing(sqlite3.connect(tmp_path / "old.db")) as old:
        old.executescript(saved.read_text())
    url = f"sqlite:///{tmp_path}/old.db"
    if database == "postgresql":
        url = copied(url, request.getfixturevalue("postgres").database(), saved.stem)
    with closing(open_ledger(url)) as ledger:
        events = list(ledger.events("digits-1"))
        record = ledger.trial("digits-1", 0)
        with ledger.lease("digits-1"):
            told = ledger.delivery("digits-1", "mlflow http://there").read(100)
            ledger.append("digits-1", [Proposed(spec=replace(record.spec, index=1, attempt=0), at=10.0)])
    assert [type(e).__name__ for e in events] == [
        *("Proposed", "Started", "Reported", "Lost", "Proposed", "Started", "Reported", "Finished")
    ]
    assert told == events[0 if saved.stem < "0004" else 5 :]
    assert (record.state, record.step, record.values) == (State.COMPLETED, 100, {"accuracy": 0.75})
    assert [(p.step, p.at) for p in record.curve] == [(50, 8.0)]
    assert (record.spec.attempt, record.spec.resume_step, record.spec.pause_step) == (1, 0, None)


def test_the_head_is_the_newest_revision_and_a_ledger_of_each_is_saved():
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [HEAD]
    assert {path.stem for path in SCHEMAS.glob("*.sql")} == {each.revision for each in script.walk_revisions()}


@pytest.mark.parametrize("table", [trials, *EVENT_TABLES.values()], ids=str)
def test_the_schema_itself_allows_one_row_a_place(table):
    unique = [c for c in table.constraints if isinstance(c, UniqueConstraint | PrimaryKeyConstraint)]
    assert table.info["place"] in [tuple(c.columns.keys()) for c in unique]


@pytest.mark.parametrize("table", EVENT_TABLES.values(), ids=str)
def test_the_database_refuses_a_second_row_and_an_orphan(opened, make, table):
    sweep = make.sweep(opened).id
    lost = Lost(trial=1, attempt=0, at=1.0, reason="")
    paused = Paused(trial=2, attempt=0, at=1.0, step=1)
    history = [*make.history(sweep, 0), make.proposed(sweep, 1), lost, make.proposed(sweep, 2), paused]
    opened.append(sweep, history)
    with opened._database.engine.connect() as connection:
        for row in connection.execute(table.select()).mappings().all():
            for changed in ({"seq": 1000}, {"seq": 1000, "trial": 77}):
                with pytest.raises(IntegrityError, match="UNIQUE" if len(changed) == 1 else "FOREIGN KEY"):
                    connection.execute(insert(table), {**row, **changed})


def test_a_commit_survives_a_power_cut_and_readers_never_wait(opened):
    with opened._database.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_ledger_opened_again_holds_what_it_held(store, make):
    with closing(open_ledger(store)) as ledger:
        sweep = make.sweep(ledger)
        ledger.append(sweep.id, make.history(sweep.id, 0))
        kept = ledger.sweeps()
    with closing(open_ledger(store)) as ledger:
        assert ledger.load(sweep.id) == sweep
        assert ledger.sweeps() == kept
        assert list(ledger.events(sweep.id)) == make.history(sweep.id, 0)
        ledger.close()
        assert ledger.sweeps() == kept


def test_two_programs_see_and_continue_each_others_sweeps(store, make):
    with closing(open_ledger(store)) as one, closing(open_ledger(store)) as other:
        sweep = make.sweep(one).id
        history = make.history(sweep, 0)
        for ledger, happened in zip([one, other, other, one, other], history, strict=True):
            ledger.append(sweep, [happened])
        assert list(one.events(sweep)) == list(other.events(sweep)) == history
        assert make.sweep(other).id == "digits-2"


def test_many_open_a_fresh_ledger_at_once(store, make):
    def work(_: int) -> str:
        with closing(open_ledger(store)) as ledger:
            return make.sweep(ledger).id

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(work, range(6)))
    assert sorted(ids) == [f"digits-{n}" for n in range(1, 7)]


def test_opening_a_current_ledger_does_not_import_alembic(store):
    open_ledger(store).close()
    program = (
        f"import sys; from tuner.ledger import open_ledger; open_ledger({store!r}); print('alembic' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize("count", [1, 64])
def test_an_append_takes_as_many_statements_whatever_its_size(opened, make, count):
    sweep = make.sweep(opened).id
    opened.append(sweep, [make.proposed(sweep, trial) for trial in range(count)])
    with statements(opened) as sent:
        opened.append(sweep, [Started(trial=trial, attempt=0, at=1.0, worker="") for trial in range(count)])
    assert [s.split()[0] for s in sent] == ["BEGIN", "UPDATE", "SELECT", "INSERT"]


@pytest.mark.parametrize("count", [1, 5])
def test_listing_takes_as_many_statements_whatever_there_is(opened, make, count):
    for _ in range(count):
        sweep = make.sweep(opened).id
        opened.append(sweep, [e for trial in range(count) for e in make.history(sweep, trial)])
    with statements(opened) as sent:
        assert len(opened.sweeps()) == count
    assert [s.split()[0] for s in sent] == ["BEGIN", "SELECT", "SELECT", "SELECT"]
    with statements(opened) as sent:
        assert len(opened.trials(sweep, curves=False)) == count
    assert [s.split()[0] for s in sent] == ["BEGIN", "SELECT", "SELECT"]


def test_rows_hold_what_their_tables_declare(make):
    for happened in make.history("digits-1", 0):
        for table, row in encode(happened):
            assert {"sweep", "seq", *row} == set(table.columns.keys())
