"""A cluster whose nodes come and go while a sweep runs on it."""

from __future__ import annotations

import time
import warnings
from contextlib import closing

import pytest
from kills import SWEEP, Driver, check, spec_text
from ray.cluster_utils import Cluster

from tuner.ledger import open_ledger
from tuner.trial import Lost, Started, State

TRIALS, STEPS, EVERY, PATIENCE = 40, 2000, 100, 300.0
EXECUTOR = "{name: ray, workers: auto, slots: 2, compile: false, checkpoint_every: 0.5}"


@pytest.fixture
def cluster():
    with warnings.catch_warnings():  # Ray's own use of deprecated names is Ray's
        warnings.simplefilter("ignore")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        yield made
        made.shutdown()


@pytest.mark.timeout(3600)
def test_nodes_that_join_get_trials_and_those_that_leave_take_none_with_them(cluster, tmp_path):
    store = f"sqlite:///{tmp_path / 'tuner.db'}"

    def until(condition):
        deadline = time.monotonic() + PATIENCE
        while not (ledger.sweeps() and condition(list(ledger.events(SWEEP)))):
            assert not driver.is_done(began=True), driver.said
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def workers(events):
        return {event.worker for event in events if isinstance(event, Started)}

    with closing(open_ledger(store)) as ledger:
        driver = Driver(tmp_path, store, spec_text(TRIALS, STEPS, EVERY, EXECUTOR), RAY_ADDRESS=cluster.address)
        try:
            until(lambda events: len(workers(events)) == 1)
            node = cluster.add_node(num_cpus=1)
            until(lambda events: len(workers(events)) == 2)
            cluster.remove_node(node, allow_graceful=False)
            until(lambda events: any(isinstance(event, Lost) for event in events))
            cluster.add_node(num_cpus=1)
            until(lambda events: len(workers(events)) == 3)
            while not driver.is_done(began=True):
                time.sleep(0.2)
        finally:
            driver.close()
        assert driver.ends == {0: 1}
        assert check(ledger, trials=TRIALS, steps=STEPS, every=EVERY) == {State.COMPLETED: TRIALS}
