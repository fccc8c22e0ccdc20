"""How fast the service answers a hundred clients, beside twenty that listen and a sweep that runs.

    python -m benchmarks.service [--clients 100] [--seconds 60] [--json out.json]

A store of finished sweeps and one to which events are appended all the time; `tuner serve` on it in a process of its
own; the clients in this one, so both share the machine. Each client keeps a connection and asks for the next of a mix
of paths at random: in one arm once a second, as a page does that is looked at, in the other as fast as it gets answers.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from benchmarks.common import bullets, machine, options, publish, table, with_quick
from tuner.ledger import SqlLedger, open_ledger
from tuner.ledger.tokens import Role
from tuner.trial import Event, Finished, Objective, Proposed, Reported, Started, State, TrialSpec

SWEEPS, TRIALS, EVALUATIONS = 50, 200, 5  # finished ones
LISTENERS = 20
MIX = {  # path: how often it is asked for, relative to the others
    "/sweeps?limit=50": 3,
    "/sweeps/{done}": 2,
    "/sweeps/{done}/trials?limit=100": 2,
    "/sweeps/{done}/trials/7": 1,
    "/sweeps/{done}/curves?limit=50": 1,
    "/sweeps/{done}/leaderboard": 2,
    "/sweeps/{done}/best": 1,
    "/sweeps/live-1": 2,
    "/sweeps/live-1/standing": 4,
    "/sweeps/live-1/leaderboard": 2,
    "/queue": 1,
    "/workers": 1,
}
EVERY = 0.25  # seconds between two batches of the sweep that runs
TEMPLATE = """\
# The service under a hundred clients

Written by `python -m benchmarks.service`; that file says what is done. The store holds {sweeps} sweeps of {trials}
trials and one that runs. {clients} clients for {seconds:g} seconds in each arm, {listeners} more listen to events; the
clients share the machine with the service. Times are milliseconds from asking to the whole answer.

{facts}

{table}
"""


@dataclass
class Heard:
    """What the clients of one arm met."""

    arm: str
    milliseconds: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    events: int = 0
    connections: int = 0
    seconds: float = 0.0

    def row(self) -> tuple[str, ...]:
        """As a row of the table."""
        cuts = statistics.quantiles(self.milliseconds, n=100)
        times = (f"{value:,.0f}" for value in (cuts[49], cuts[98], max(self.milliseconds)))
        rate = len(self.milliseconds) / self.seconds
        counts = (f"{len(self.milliseconds):,}", f"{rate:,.0f}", str(sum(self.faults.values())))
        return (self.arm, *counts, *times, f"{self.events:,}", str(self.connections))


@dataclass(frozen=True)
class Result:
    """The figures of one arm."""

    arm: str
    requests: int
    faults: int
    p50: float
    p99: float
    most: float


def fill(ledger: SqlLedger, sweeps: int) -> None:
    """Finished sweeps, and an empty one called live-1."""
    for _ in range(sweeps):
        sweep = new(ledger, "done")
        with ledger.lease(sweep):
            for start in range(0, TRIALS, 50):
                ledger.append(sweep, [e for trial in range(start, start + 50) for e in history(sweep, trial)])
            ledger.set_status(sweep, "done", 1.0)
    new(ledger, "live")


def new(ledger: SqlLedger, name: str) -> str:
    """The id of a new sweep."""
    return ledger.create(
        name=name,
        spec={"workload": "digits-mlp", "budget": {"trials": TRIALS}},
        spec_text="",
        environment={},
        objectives=(Objective(metric="loss", direction="minimize"),),
        seed=0,
        repeats=1,
        at=time.time(),
    ).id


def history(sweep: str, trial: int) -> Iterator[Event]:
    """A trial from its proposal to its outcome."""
    params = {"optimizer": ("adam", "sgd", "lion")[trial % 3], "adam.lr": 10.0 ** -(trial % 5), "schedule": "cosine"}
    yield Proposed(spec=TrialSpec(sweep=sweep, index=trial, params=params, seed=trial, total_steps=100), at=1.0)
    yield Started(trial=trial, attempt=0, at=2.0, worker="cpu-0")
    losses = [(trial * 37 % 101) / 100 + 1 / (1 + n) for n in range(EVALUATIONS)]
    for n, loss in enumerate(losses):
        yield Reported(trial=trial, attempt=0, at=3.0 + n, step=20 * (n + 1), metrics={"loss": loss})
    outcome = {"outcome": State.COMPLETED, "values": {"loss": losses[-1]}}
    yield Finished(trial=trial, attempt=0, at=9.0, step=100, **outcome)  # type: ignore[arg-type]


@contextmanager
def running(store: str) -> Iterator[None]:
    """While the block runs, events are appended to live-1."""
    over = threading.Event()

    def work() -> None:
        with closing(open_ledger(store)) as ledger, ledger.lease("live-1"):
            trial = len(ledger.trials("live-1", curves=False))
            while not over.wait(EVERY):
                ledger.append("live-1", list(history("live-1", trial)))
                trial += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def serving(store: str) -> Iterator[tuple[str, int]]:
    """The address and the process id of a service."""
    command = [sys.executable, "-m", "tuner", "serve", "--store", store, "--port", "0", "--no-runner"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2].rstrip(";"), process.pid
        process.terminate()


@dataclass(frozen=True)
class Place:
    """A service: its address, its process, its database's file, and a token for it."""

    server: str
    pid: int
    store: Path
    token: str

    def connect(self) -> httpx2.AsyncClient:
        """A client with connections of its own, of which nobody has to wait for one."""
        headers, free = {"Authorization": f"Bearer {self.token}"}, httpx2.Limits(max_connections=None)
        return httpx2.AsyncClient(base_url=f"{self.server}/api/v1", headers=headers, timeout=60.0, limits=free)


async def client(http: httpx2.AsyncClient, heard: Heard, until: float, period: float, rng: random.Random) -> None:
    """One client: asks until the time is over, at most once every ``period`` seconds."""
    paths, weights = list(MIX), list(MIX.values())
    await asyncio.sleep(rng.random() * period)
    while (begun := time.perf_counter()) < until:
        path = rng.choices(paths, weights)[0].format(done=f"done-{rng.randint(1, SWEEPS)}")
        try:
            answer = await http.get(path)
            if answer.is_error:
                heard.faults[str(answer.status_code)] += 1
        except httpx2.HTTPError as error:
            heard.faults[type(error).__name__] += 1
        heard.milliseconds.append((time.perf_counter() - begun) * 1e3)
        await asyncio.sleep(max(0.0, period - (time.perf_counter() - begun)))


async def listener(http: httpx2.AsyncClient, heard: Heard) -> None:
    """One that listens until it is told to stop."""
    async with http.stream("GET", "/sweeps/live-1/events") as response:
        async for _ in httpx2.EventSource(response):
            heard.events += 1


async def watch(place: Place, heard: Heard) -> None:
    """The most connections that the service has to its database."""
    while True:
        open_files = [str(link.readlink()) for link in Path(f"/proc/{place.pid}/fd").iterdir() if link.is_symlink()]
        heard.connections = max(heard.connections, open_files.count(str(place.store)))
        await asyncio.sleep(0.5)


async def arm(name: str, period: float, place: Place, clients: int, seconds: float) -> Heard:
    """All clients at once."""
    heard = Heard(name)
    async with place.connect() as http:
        aside = [asyncio.create_task(listener(http, heard)) for _ in range(LISTENERS)]
        aside.append(asyncio.create_task(watch(place, heard)))
        begun = time.perf_counter()
        seeded = [random.Random(seed) for seed in range(clients)]  # noqa: S311 - no secrets
        await asyncio.gather(*(client(http, heard, begun + seconds, period, rng) for rng in seeded))
        heard.seconds = time.perf_counter() - begun
        for task in aside:
            task.cancel()
        for fault in await asyncio.gather(*aside, return_exceptions=True):
            if not isinstance(fault, asyncio.CancelledError):
                heard.faults[f"aside: {fault}"] += 1
    return heard


def main(arguments: Sequence[str] | None = None) -> None:
    parser = with_quick(options("service", __doc__, rounds=1))
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args(arguments)
    seconds = 5.0 if given.quick else given.seconds
    facts = machine("fastapi", "uvicorn", "sqlalchemy", "httpx2")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.db"
        store = f"sqlite:///{file}"
        with closing(open_ledger(store)) as ledger:
            fill(ledger, SWEEPS)
            token = ledger.tokens.add("bench", Role.READ, at=time.time())
        with serving(store) as (server, pid), running(store):
            place = Place(server, pid, file, token)
            arms = {"once a second": 1.0, "as fast as they are answered": 0.0}
            heard = [asyncio.run(arm(name, period, place, given.clients, seconds)) for name, period in arms.items()]
    for one in heard:
        print(one.arm, dict(one.faults), file=sys.stderr)
    heads = ("clients ask", "requests", "a second", "faults", "p50", "p99", "most", "events heard", "connections")
    page = TEMPLATE.format(
        sweeps=SWEEPS,
        trials=TRIALS,
        clients=given.clients,
        seconds=seconds,
        listeners=LISTENERS,
        facts=bullets(facts),
        table=table(heads, [one.row() for one in heard]),
    )
    results = [
        Result(one.arm, len(one.milliseconds), sum(one.faults.values()), cuts[49], cuts[98], max(one.milliseconds))
        for one in heard
        for cuts in [statistics.quantiles(one.milliseconds, n=100)]
    ]
    publish("service", page, facts, results, given.json, keep=not given.quick)


if __name__ == "__main__":
    main()
