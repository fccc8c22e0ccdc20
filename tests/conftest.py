"""What the whole suite shares: repeatable examples; one PostgreSQL server and one Ray cluster,
each started by the first test that needs it, in each process that runs tests."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import settings

# The same examples in every run: what lands does not depend on luck. `--hypothesis-profile default` explores.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    from postgres_server import Postgres  # noqa: PLC0415 - tests without PostgreSQL need not import it

    server = Postgres(tmp_path_factory.mktemp("pg"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def ray_cluster():
    with warnings.catch_warnings():  # Ray's own use of deprecated names is Ray's
        warnings.simplefilter("ignore")
        from tuner.execution.cluster import connect  # noqa: PLC0415 - tests without Ray need not import it

        cluster = connect()
    yield cluster
    cluster.close()
