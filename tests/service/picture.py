"""Writes the picture of the pages that the docs show: ``make picture``. Its sweep is made up."""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import browser
from service_world import answering, new_sweep

from tuner.ledger import open_ledger
from tuner.ledger.holder import Holder
from tuner.trial import Finished, Proposed, Reported, Started, State, TrialSpec

RATES = {"adamw": 3e-3, "lion": 3e-4, "muon": 2e-2, "sgd": 1e-1}
SCHEDULES = {"constant": 0.955, "cosine": 0.972, "one_cycle": 0.969, "wsd": 0.978}
STEPS, EVERY = 600, 25
TRIALS, ENDED = 150, 104
WIDTH, HEIGHT = 1280, 1480


def draw(path):
    """The page of a sweep that runs, at ``path``."""
    now = time.time()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        closing(open_ledger(f"sqlite:///{folder}/store.db")) as ledger,
        answering(ledger) as server,
        browser.opened(Path(folder) / "profile") as tab,
    ):
        sweep = fill(ledger, now)
        ledger.queue.take(Holder.here(), limit=1, per_owner=1, at=now)
        with ledger.lease(sweep):
            tab.look(WIDTH, HEIGHT)
            tab.go(f"{server}/sweeps/{sweep}")
            tab.until("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
            path.write_bytes(tab.picture(whole=False))


def fill(ledger, now):
    """A sweep of which most trials have ended, and two run."""
    new = new_sweep("digits")
    spec = {**new.spec, "workload": "digits-mlp", "budget": {"trials": TRIALS, "steps": STEPS}}
    started = now - 4.2 * ENDED
    sweep = ledger.queue.submit(replace(new, spec=spec), owner="ada", at=started).id
    chance = random.Random(5)  # noqa: S311 - not a secret
    with ledger.lease(sweep):
        for index in range(ENDED + 2):
            ledger.append(sweep, life(sweep, index, started + 4 * index, chance, is_over=index < ENDED))
    return sweep


def life(sweep, index, at, chance, *, is_over):
    """A trial: the farther from the optimizer's best learning rate, the worse."""
    optimizer, schedule = chance.choice(list(RATES)), chance.choice(list(SCHEDULES))
    off = chance.uniform(-2, 1.6)
    params = {"optimizer": optimizer, f"{optimizer}.lr": RATES[optimizer] * 10**off, "schedule": schedule}
    params |= {"width": chance.choice([32, 64, 128])}
    trial = TrialSpec(sweep=sweep, index=index, params=params, seed=index, total_steps=STEPS)
    best = SCHEDULES[schedule] - 0.05 * off**2 + chance.gauss(0, 0.004)
    outcome = State.DIVERGED if off > 1.35 else State.PRUNED if best < 0.87 else State.COMPLETED
    last = {State.DIVERGED: 75, State.PRUNED: 150}.get(outcome, STEPS) if is_over else 300
    who = {"trial": index, "attempt": 0}
    told = [Proposed(spec=trial, at=at), Started(**who, at=at, worker=f"cpu-{index % 2}")]
    for step in range(EVERY, last + 1, EVERY):
        value = max(0.1, best * (1 - math.exp(-step / 90)) + chance.gauss(0, 0.005))
        told.append(Reported(**who, at=at + step / 150, step=step, metrics={"accuracy": value}))
    if is_over:
        values = {"accuracy": value} if outcome is State.COMPLETED else {}
        note = f"loss became nan at step {last}" if outcome is State.DIVERGED else ""
        told.append(Finished(**who, at=at + last / 150, step=last, outcome=outcome, values=values, note=note))
    return told


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
