"""Ten kills over a sweep of thirty trials: workers, drivers, PostgreSQL. `make soak` has two hundred, and more prey."""

from __future__ import annotations

import random
from contextlib import closing

import pytest
import ray
from kills import Driver, check, kill_worker, rampage, spec_text

from tuner.ledger import open_ledger
from tuner.trial import State

KILLS, TRIALS, STEPS, EVERY = 10, 30, 400, 50
EXECUTOR = "{name: ray, workers: 2, slots: 4, compile: false, checkpoint_every: 0.2}"


@pytest.mark.ray
def test_ten_kills_lose_nothing_and_count_nothing_twice(ray_cluster, postgres, tmp_path):
    chance, store = random.Random(0), postgres.database()  # noqa: S311 - no secret
    address = ray.get_runtime_context().gcs_address

    def crash():
        postgres.stop()
        postgres.start()
        return True

    with closing(open_ledger(store)) as ledger:
        driver = Driver(tmp_path, store, spec_text(TRIALS, STEPS, EVERY, EXECUTOR), RAY_ADDRESS=address)
        prey = {
            "worker": (5, lambda: kill_worker(ledger, chance)),
            "PostgreSQL": (4, crash),
            "driver": (1, lambda: driver.kill() is None),
        }
        try:
            done = rampage(driver, ledger, prey, kills=KILLS, trials=TRIALS, seed=889)
        finally:
            driver.close()
        assert done.total() >= KILLS - 3  # where all is quiet the last trials end too soon for the last kills
        assert set(done) == set(prey)
        found = check(ledger, trials=TRIALS, steps=STEPS, every=EVERY)
        assert found[State.COMPLETED] >= TRIALS - 2
