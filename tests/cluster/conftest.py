"""A ledger on each kind of database that several processes can open."""

from __future__ import annotations

from contextlib import closing

import pytest

from tuner.ledger import open_ledger
from tuner.ledger.schema import firings, jobs, schedules, sweeps


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, tmp_path_factory):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'tuner.db'}"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def store(database):
    """The URL of an empty ledger."""
    with closing(open_ledger(database)) as opened, opened._database.writing() as connection:
        for table in (firings, jobs, schedules, sweeps):
            connection.execute(table.delete())
    return database


@pytest.fixture
def ledger(store):
    with closing(open_ledger(store)) as opened:
        yield opened
