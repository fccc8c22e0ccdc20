"""What MLflow costs a sweep that does not wait for it: up, slow, down for the whole sweep, and not used at all.

    python -m benchmarks.outage [--rounds 5] [--trials 60] [--quick]

Every arm is ``tuner run`` in a fresh process: the sweep of ``benchmarks.sweep_loop``, in process, with nothing compiled
and without pruning by the clock, so that all arms train the same steps. "MLflow up" is a server of MLflow's own on this
machine, whose work the same processors do; "slow" is that server behind a line on which every answer comes
a second late; "down" is an address at which nobody listens. Throughput is trial-steps per second from the first
trial's start to the last one's end. Then the server is there (at the same address), `tuner sync` delivers what is left,
and what stands in MLflow is counted.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import run, tuner_run
from benchmarks.common import Figures, bullets, machine, options, publish, table, turns, with_quick
from benchmarks.sweep_loop import STEPS, spec

GOAL, DELAY = 0.95, 1.0
TEMPLATE = """\
# A sweep while MLflow is up, slow or down

Written by `python -m benchmarks.outage`; that file says what each arm does. {trials} trials of {steps} steps; the arms
took turns in each of {rounds} rounds. The goal is {goal:.0%} of the throughput without MLflow while it is slow or down.

{facts}

{figures}
"""


@dataclass(frozen=True)
class Result:
    """Trial-steps per second; seconds that `tuner sync` took afterwards; trials that then stood in MLflow."""

    arm: str
    throughput: Figures
    drained: Figures
    shown: Figures


def free_port() -> int:
    """A port that nobody listens at."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(port: int, folder: Path) -> Iterator[None]:
    """MLflow's own server on SQLite, until the block ends."""
    where = [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "kept"),
    ]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *where]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command,
        env=os.environ | quiet,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@contextmanager
def slow_line(port: int, behind: int) -> Iterator[None]:
    """A listener at ``port`` that passes everything on, and every answer late."""

    def carry(source: socket.socket, target: socket.socket, delay: float) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                time.sleep(delay)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", behind))
                for pair in ((client, there, 0.0), (there, client, DELAY)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", port))) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


ARMS = ("no MLflow", "MLflow up", "MLflow slow", "MLflow down")


def sweep(arm: str, trials: int, folder: Path) -> tuple[float, float, float]:
    """Throughput; then the seconds of `tuner sync`, and how many trials MLflow has; both 0 without MLflow."""
    plan = spec(trials, {"name": "inline", "compile": False}) | {"pruner": "none", "sampler": "random"}
    environment = {"TUNER_CACHE": str(folder / "cache")}
    if arm == ARMS[0]:
        wall = tuner_run(plan, folder, environment)
        return wall.steps / wall.trials, 0.0, 0.0
    front, behind = free_port(), free_port()
    uri = f"http://127.0.0.1:{front}"
    if arm == "MLflow down":
        wall = tuner_run(plan, folder, environment, mlflow=uri)
    elif arm == "MLflow slow":
        with server(behind, folder), slow_line(front, behind):
            wall = tuner_run(plan, folder, environment, mlflow=uri)
    else:
        with server(front, folder):
            wall = tuner_run(plan, folder, environment, mlflow=uri)
    with server(front, folder):
        command = [sys.executable, "-m", "tuner", "sync", "sweep", "--store", f"sqlite:///{folder / 'tuner.db'}"]
        seconds, _ = run([*command, "--mlflow", uri], folder, environment)
    return wall.steps / wall.trials, seconds, float(count_runs(f"sqlite:///{folder / 'mlflow.db'}"))


def count_runs(uri: str) -> int:
    """How many finished trials stand in MLflow."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - importing it takes seconds

    client = MlflowClient(uri)
    experiments = [each.experiment_id for each in client.search_experiments(filter_string="name LIKE 'tuner/%'")]
    return len(client.search_runs(experiments, "tags.`tuner.outcome` = 'completed'", max_results=10_000))


def measure(trials: int, rounds: int) -> list[Result]:
    """Every arm in turn, each in an empty folder."""
    found: dict[str, list[tuple[float, float, float]]] = {arm: [] for arm in ARMS}
    for _, arm in turns(ARMS, rounds):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            found[arm].append(sweep(arm, trials, Path(folder)))
        print(f"{arm}: {found[arm][-1]}", file=sys.stderr)
    return [Result(arm, *(Figures(column) for column in zip(*rows, strict=True))) for arm, rows in found.items()]


def page(results: Sequence[Result], facts: dict[str, str], rounds: int, trials: int) -> str:
    """The results as Markdown."""
    without = results[0].throughput.median

    def row(result: Result) -> tuple[str, ...]:
        share = result.throughput.median / without
        met = "yes" if share >= GOAL else "no"
        used = result.arm != ARMS[0]
        return (
            result.arm,
            f"{result.throughput.median:,.0f}",
            f"{result.throughput.least:,.0f} - {result.throughput.most:,.0f}",
            f"{share:.1%}",
            met if result.arm in ARMS[2:] else "",
            f"{result.drained.median:.1f}" if used else "",
            f"{result.shown.least:.0f} of {trials}" if used else "",
        )

    heads = ("arm", "trial-steps/s", "range", "of that without", "goal met", "sync afterwards, s", "trials in MLflow")
    figures = table(heads, [row(result) for result in results])
    return TEMPLATE.format(trials=trials, steps=STEPS, rounds=rounds, goal=GOAL, facts=bullets(facts), figures=figures)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = with_quick(options("outage", __doc__, rounds=5))
    parser.add_argument("--trials", type=int, default=60)
    given = parser.parse_args(arguments)
    rounds, trials = (1, 8) if given.quick else (given.rounds, given.trials)
    facts = machine("torch", "mlflow", "sqlalchemy")
    results = measure(trials, rounds)
    publish("outage", page(results, facts, rounds, trials), facts, results, given.json, keep=not given.quick)


if __name__ == "__main__":
    main()
