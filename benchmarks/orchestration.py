"""What the loop of a sweep costs a trial when training costs nothing, against Optuna's own storages.

    python -m benchmarks.orchestration [--trials 100 1000 10000] [--rounds 3] [--json out.json]

Every arm proposes at random from one space, plays the same synthetic learning curves and records every event durably:
propose, start, three evaluations, outcome. The arms take turns within every round. `tuner` runs its own loop with the
simulated executor and the SQLite ledger; the Optuna arms run ask, report, tell on a study in `RDBStorage` (SQLite, its
defaults) or in `JournalStorage` (a file). Time is of the loop alone: stores are opened, and tables made, before.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.common import Figures, bullets, machine, options, publish, table, turns
from tuner.execution.simulated import SimulatedExecutor
from tuner.execution.span import space_of
from tuner.execution.synthetic import synthetic_table
from tuner.ledger import open_ledger
from tuner.search import make_search
from tuner.study import Budget, Study
from tuner.trial import Event, Objective, TrainingPlan

EVALUATIONS = 3
OBJECTIVE = Objective(metric="loss", direction="minimize")
TEMPLATE = """\
# The loop's cost a trial, without training

Written by `python -m benchmarks.orchestration`; that file says what each arm does. A trial is proposed, started,
evaluated {evaluations} times and finished. Figures are milliseconds a trial, the median and the range of {rounds}
rounds in which the arms took turns; the last column is the ratio to `{reference}` at that size. With more slots a
commit holds more events, and a trial pays a smaller share of each fsync; `tuner, 1 slot` commits after every
evaluation, as the Optuna arms do. An arm missing at a size would take too long there.

{facts}

{table}
"""


class Nowhere:
    """A sink that keeps nothing: views are not what is measured."""

    def write(self, events: Sequence[Event]) -> None:
        """Forget."""

    def close(self) -> None:
        """Nothing to deliver."""


def tuner_loop(folder: Path, trials: int, seed: int, *, slots: int) -> float:
    """Seconds that the loop took."""
    table = synthetic_table(rows=trials, evaluations=EVALUATIONS, seed=seed)
    with closing(open_ledger(f"sqlite:///{folder / 'tuner.db'}")) as ledger:
        sweep = ledger.create(
            name="bench",
            spec={},
            spec_text="",
            environment={},
            objectives=(OBJECTIVE,),
            seed=seed,
            repeats=1,
            at=time.time(),
        )
        sampler = make_search(
            space=space_of(table),
            objectives=(OBJECTIVE,),
            sampler="random",
            sampler_options={},
            pruner="none",
            pruner_options={},
            seed=seed,
            repeats=1,
            total_steps=EVALUATIONS,
        )
        study = Study(
            sweep,
            sampler=sampler,
            executor=SimulatedExecutor(
                table, plan=TrainingPlan(objectives=(OBJECTIVE,), evaluate_every=1), slots=slots
            ),
            ledger=ledger,
            sink=Nowhere(),
            budget=Budget(steps=EVALUATIONS, trials=trials),
        )
        start = time.perf_counter()
        summary = study.run()
        seconds = time.perf_counter() - start
    assert sum(summary.outcomes.values()) == trials
    return seconds


def optuna_loop(storage: BaseStorage, trials: int, seed: int) -> float:
    """Seconds that ask, report and tell took."""
    curves = synthetic_table(rows=trials, evaluations=EVALUATIONS, seed=seed).curves.tolist()
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed))
    start = time.perf_counter()
    for curve in curves:
        trial = study.ask()
        if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "adam":
            trial.suggest_float("adam.lr", 1e-5, 1e-1, log=True)
        else:
            trial.suggest_float("sgd.lr", 1e-3, 1.0, log=True)
        for step, value in enumerate(curve, start=1):
            trial.report(value, step)
        study.tell(trial, curve[-1])
    return time.perf_counter() - start


def optuna_rdb(folder: Path, trials: int, seed: int) -> float:
    """Optuna on SQLite."""
    return optuna_loop(RDBStorage(f"sqlite:///{folder / 'optuna.db'}"), trials, seed)


def optuna_journal(folder: Path, trials: int, seed: int) -> float:
    """Optuna on its journal file."""
    return optuna_loop(JournalStorage(JournalFileBackend(str(folder / "optuna.log"))), trials, seed)


@dataclass(frozen=True)
class Arm:
    """One way to run the loop; ``limit`` is the most trials it is asked for (slow arms would take hours)."""

    name: str
    run: Callable[[Path, int, int], float]
    limit: int = sys.maxsize


ARMS = (
    Arm("tuner, 8 slots", lambda folder, trials, seed: tuner_loop(folder, trials, seed, slots=8)),
    Arm("tuner, 64 slots", lambda folder, trials, seed: tuner_loop(folder, trials, seed, slots=64)),
    Arm("tuner, 1 slot", lambda folder, trials, seed: tuner_loop(folder, trials, seed, slots=1), limit=1_000),
    Arm("Optuna, journal file", optuna_journal, limit=1_000),
    Arm("Optuna, SQLite", optuna_rdb, limit=1_000),
)
REFERENCE = ARMS[0].name


@dataclass(frozen=True)
class Result:
    """Milliseconds a trial of one arm at one size."""

    trials: int
    arm: str
    milliseconds: Figures


def measure(sizes: Sequence[int], rounds: int, folder: Path) -> Iterator[Result]:
    """Every arm at every size within its limit."""
    for trials in sizes:
        arms = [arm for arm in ARMS if trials <= arm.limit]
        times: dict[str, list[float]] = {arm.name: [] for arm in arms}
        for seed, arm in turns(arms, rounds):
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                times[arm.name].append(arm.run(Path(fresh), trials, seed) / trials * 1e3)
        yield from (Result(trials, arm.name, Figures(tuple(times[arm.name]))) for arm in arms)


def fsync_milliseconds(folder: Path) -> float:
    """The median of writing 4 KiB to the end of a file and forcing it to disk: what any durable commit pays here."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(50):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def page(results: Sequence[Result], facts: dict[str, str], rounds: int) -> str:
    """The results as Markdown."""
    reference = {result.trials: result.milliseconds.median for result in results if result.arm == REFERENCE}
    rows = [
        (f"{result.trials:,}", result.arm, f"{ms.median:.2f}", f"{ms.least:.2f} - {ms.most:.2f}", f"{ratio:.1f} x")
        for result in results
        for ms in [result.milliseconds]
        for ratio in [ms.median / reference[result.trials]]
    ]
    return TEMPLATE.format(
        evaluations=EVALUATIONS,
        rounds=rounds,
        reference=REFERENCE,
        facts=bullets(facts),
        table=table(("trials", "arm", "ms a trial", "range", "ratio"), rows, words=2),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("orchestration", __doc__, rounds=3)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 300, 1_000, 10_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the stores are written")
    given = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    facts = {
        **machine("optuna", "sqlalchemy", "numpy"),
        "sqlite": sqlite3.sqlite_version,
        "one 4 KiB write + fsync": f"{fsync_milliseconds(given.folder):.2f} ms",
    }
    results = []
    with quiet():
        for result in measure(given.trials, given.rounds, given.folder):
            print(f"{result.trials} trials, {result.arm}: {result.milliseconds.median:.2f} ms", file=sys.stderr)
            results.append(result)
    publish("orchestration", page(results, facts, given.rounds), facts, results, given.json)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's notes that its journal is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


if __name__ == "__main__":
    main()
