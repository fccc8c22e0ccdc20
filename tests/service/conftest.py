"""One service that is looked at, and a fresh one for whoever changes something."""

from __future__ import annotations

from contextlib import closing

import pytest
from service_world import record, service_of

from tuner.ledger import open_ledger


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory):
    """A service with the sweeps done-1, done-2 and other-1, which no test changes."""
    with closing(open_ledger(f"sqlite:///{tmp_path_factory.mktemp('service')}/store.db")) as ledger:
        for name in ("done", "done", "other"):
            record(ledger, name)
        with service_of(ledger) as service:
            yield service


@pytest.fixture
def ledger(tmp_path):
    with closing(open_ledger(f"sqlite:///{tmp_path}/store.db")) as opened:
        yield opened


@pytest.fixture
def service(ledger):
    with service_of(ledger) as made:
        yield made
