"""A real sweep on real processes, any of which is killed at random moments; and what must hold of its ledger then."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sqlalchemy import text

from tuner.ledger import SqlLedger
from tuner.trial import State

HANGS = 180.0  # seconds without any event in which a sweep does not get on by itself
SWEEP = "kills-1"


def spec_text(trials: int, steps: int, every: int, executor: str) -> str:
    return (
        f"name: kills\nworkload: noisy-quadratic\nobjective: loss\nbudget: {{trials: {trials}, steps: {steps}}}\n"
        f"evaluate_every: {every}\nsampler: random\nexecutor: {executor}\n"
        "space: {optimizer: {adam: {lr: {log: [1e-3, 1e-2]}}}}\n"
    )


class Driver:
    """``tuner run``, and ``tuner resume`` whenever it has ended before the sweep did."""

    def __init__(self, folder: Path, store: str, spec: str, *, mlflow: str = "none", **environment: str) -> None:
        (folder / "kills.yaml").write_text(spec)
        self._folder, self._store = folder, store
        self._options = ("--store", store, "--mlflow", mlflow, "--output", str(folder), "--quiet")
        self._environment = os.environ | environment
        self.ends: Counter[int] = Counter()  # by exit code
        self.said: list[str] = []
        self.process = self._launch("run", "kills.yaml")

    def _launch(self, *command: str) -> subprocess.Popen[bytes]:
        self._log = self._folder / f"driver-{len(self.said)}.log"
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tuner", *command, *self._options],
                cwd=self._folder, env=self._environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def is_done(self, began: bool) -> bool:
        """Whether the sweep is; a driver that died is followed by the next one. ``began``: the sweep is on record."""
        code = self.process.poll()
        if code is None:
            return False
        self.ends[code] += 1
        self.said.append(self._log.read_text(errors="replace"))
        if code == 0:
            return True
        self.process = self._launch("resume", SWEEP) if began else self._launch("run", "kills.yaml")
        return False

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        """End whatever it left."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def children(pid: int) -> dict[int, str]:
    """Every process that descends from one, with its name."""
    parents: dict[int, tuple[int, str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text(errors="replace").partition("(")[2].rpartition(")")
            state, parent = rest.split()[:2]
            parents[int(stat.parent.name)] = int(parent), "" if state == "Z" else name
    found: dict[int, str] = {}
    more = {pid}
    while more := {child for child, (parent, _) in parents.items() if parent in more and child not in found}:
        found |= {child: parents[child][1] for child in more}
    return found


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def kill_worker(ledger: SqlLedger, chance: random.Random) -> bool:
    """A worker that a running trial has; whether there was one."""
    running = [record for record in ledger.trials(SWEEP, curves=False) if record.state is State.RUNNING]
    pids = {int(record.worker.rpartition("/")[2]) for record in running}
    alive = [pid for pid in sorted(pids) if b"ray::" in _command(pid)]
    return bool(alive) and kill(chance.choice(alive))


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill_raylet(driver: Driver) -> bool:
    """The raylet of the cluster that the driver started; whether there was one."""
    raylets = [pid for pid, name in children(driver.process.pid).items() if name == "raylet"]
    return bool(raylets) and kill(raylets[0])


Prey = Mapping[str, tuple[int, Callable[[], bool]]]
"""What may be killed, by name: how often, against the others; and the deed, which says whether there was anything."""


def rampage(driver: Driver, ledger: SqlLedger, prey: Prey, *, kills: int, trials: int, seed: int) -> Counter[str]:
    """Kill ``kills`` times while the sweep goes from its first trial to its last; how often which prey was."""
    chance, done = random.Random(seed), Counter[str]()  # noqa: S311 - no secret
    position, start = 0, time.monotonic()
    moved = start
    while True:
        began = any(sweep.id == SWEEP for sweep in ledger.sweeps())
        if driver.is_done(began):
            return done
        now, ended = ledger.pages.position(SWEEP) if began else 0, 0
        if now != position:
            position, moved = now, time.monotonic()
        assert time.monotonic() - moved < HANGS, (done, driver.said[-1:], driver._log.read_text())
        if began:
            ended = ledger.summary(SWEEP).ended
        if began and done.total() < kills and ended * kills >= done.total() * (trials - 1):
            time.sleep(chance.random() * 0.5)
            (name,) = chance.choices(list(prey), [weight for weight, _ in prey.values()])
            if prey[name][1]():
                done[name] += 1
                print(f"{time.monotonic() - start:6.1f} s, {ended:3} of {trials} trials have ended: {name}", flush=True)
        time.sleep(0.05)


CONTRACT = {
    "a trial without its one outcome": """
        SELECT trial FROM trials WHERE (SELECT count(*) FROM outcomes
        WHERE outcomes.sweep = trials.sweep AND outcomes.trial = trials.trial) <> 1""",
    "an outcome of nothing": "SELECT trial FROM outcomes WHERE trial NOT IN (SELECT trial FROM trials)",
    "attempts with gaps": """
        SELECT trial FROM attempts GROUP BY trial HAVING count(*) <> max(attempt) + 1 OR min(attempt) <> 0""",
    "an outcome of an attempt that was over": """
        SELECT outcomes.trial FROM outcomes WHERE outcomes.attempt
            < (SELECT max(attempt) FROM attempts WHERE attempts.trial = outcomes.trial)
        OR EXISTS (SELECT 1 FROM losses
            WHERE losses.trial = outcomes.trial AND losses.attempt = outcomes.attempt)""",
    "two events at one position, or one beyond the last": """
        SELECT seq FROM (
            SELECT seq FROM attempts UNION ALL SELECT seq FROM starts UNION ALL SELECT seq FROM reports
            UNION ALL SELECT seq FROM checkpoints UNION ALL SELECT seq FROM pauses UNION ALL SELECT seq FROM losses
            UNION ALL SELECT seq FROM outcomes) AS every_event
        GROUP BY seq HAVING count(*) > 1 OR seq > (SELECT recorded FROM sweeps)""",
    "a report counted twice": """
        SELECT trial, attempt, step FROM reports GROUP BY trial, attempt, step HAVING count(*) > 1""",
    "a sweep that is not done": "SELECT id FROM sweeps WHERE status <> 'done' OR holder IS NOT NULL",
}


def check(ledger: SqlLedger, *, trials: int, steps: int, every: int) -> Counter[State]:
    """Nothing is lost, nothing is there twice, nothing is left running; the trials' outcomes."""
    with ledger._database.reading() as connection:
        for what, query in CONTRACT.items():
            assert not connection.execute(text(query)).all(), what
        assert connection.scalar(text("SELECT count(*) FROM trials")) == trials
    whole = list(range(every, steps + 1, every))
    records = ledger.trials(SWEEP)
    for record in records:
        assert record.state in (State.COMPLETED, State.FAILED)
        assert record.state is State.COMPLETED or record.note.startswith("lost 3 times"), record.note
        if record.state is State.COMPLETED:
            assert [point.step for point in record.curve] == whole, record.spec
    return Counter(record.state for record in records)
