"""One Ray cluster for the whole session, started by the first test that needs it and shut down at the end."""

from __future__ import annotations

import warnings

import pytest


@pytest.fixture(scope="session")
def ray_cluster():
    with warnings.catch_warnings():  # Ray's own use of deprecated names is Ray's
        warnings.simplefilter("ignore")
        from tuner.execution.cluster import connect  # noqa: PLC0415 - tests without Ray need not import it

        cluster = connect()
    yield cluster
    cluster.close()
