"""What ten thousand trials cost beside training: the loop, a resume, and looking at them.

    python -m benchmarks.scale [--trials 1000 10000] [--rounds 3] [--quick]

No trial trains: the loop of `tuner run` plays synthetic curves of ten evaluations by the simulated executor, in 64
slots, and records every event in a SQLite ledger, without MLflow. Arms, which take turns in every round, differ in
sampler and pruner. A model-based sampler is asked for the smaller size only: what its model costs is Optuna's, and
grows. Then the ledger of the largest size is resumed (its history read, and lived through again by a new sampler; by a
model-based one, that of the random sampler), and looked at by commands in fresh processes, their imports included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.common import Figures, bullets, machine, options, publish, table, turns, with_quick
from benchmarks.orchestration import Nowhere, fsync_milliseconds
from tuner.execution.simulated import SimulatedExecutor
from tuner.execution.span import space_of
from tuner.execution.synthetic import synthetic_table
from tuner.ledger import SqlLedger, open_ledger
from tuner.search import make_search
from tuner.space import Branch
from tuner.study import Budget, Study
from tuner.trial import Event, Objective, Sweep, TrainingPlan

EVALUATIONS, SLOTS, ROWS = 10, 64, 1_000
PER_TRIAL, GROWTH, RESUME, LOOK = 1.0, 1.2, 10.0, 1.0  # the goals: ms, a ratio, s, s
OBJECTIVE = Objective(metric="loss", direction="minimize")
COMMANDS = (("list",), ("show", "bench"), ("best", "bench"), ("show", "bench", "--trial", "77"))
TEMPLATE = """\
# Ten thousand trials with curves

Written by `python -m benchmarks.scale`; that file says what is measured. {rounds} rounds, in which the arms took turns;
the median and the range. Goals: {per_trial:g} ms a trial with the random sampler, and at most {growth:g} times as much
a trial among {most:,} as among {least:,}; a resume within {resume:g} s; a command within {look:g} s.

{facts}

## The loop, milliseconds a trial

Processor time is what the loop itself does; wall time also waits for the disk, a few times for {slots} trials.

{loops}

## A resume of {most:,} trials, seconds

{resumes}

## Commands on {most:,} trials, seconds in a fresh process

{looks}
"""


@dataclass(frozen=True)
class Arm:
    """A sampler and a pruner; ``learns`` where the sampler has a model, whose cost grows."""

    sampler: str
    pruner: str
    learns: bool = False

    @property
    def name(self) -> str:
        """``random``, or ``random + median``."""
        return self.sampler if self.pruner == "none" else f"{self.sampler} + {self.pruner}"


ARMS = (
    Arm("random", "none"),
    Arm("random", "median"),
    Arm("random", "hyperband"),
    Arm("random", "asha"),
    Arm("qmc", "none"),
    Arm("tpe", "none", learns=True),
)


@dataclass(frozen=True)
class Loop:
    """Milliseconds a trial of one arm at one size, on the wall and of the processor."""

    trials: int
    arm: str
    wall: Figures
    processor: Figures


@dataclass(frozen=True)
class Taken:
    """Seconds that something took with all trials, on the wall and of the processor."""

    what: str
    wall: Figures
    processor: Figures

    @classmethod
    def of(cls, what: str, rounds: Sequence[tuple[float, float]]) -> Taken:
        """From both figures of each round."""
        wall, processor = zip(*rounds, strict=True)
        return cls(what, Figures(wall), Figures(processor))


def study_of(sweep: Sweep, ledger: SqlLedger, arm: Arm, trials: int, history: Sequence[Event] = ()) -> Study:
    """The loop of a sweep, as ``tuner run`` makes it."""
    curves = synthetic_table(rows=ROWS, evaluations=EVALUATIONS, seed=0)
    space = space_of(curves)
    sampler = make_search(
        space=replace(space, branches=(*space.branches, Branch("schedule", {"constant": {}}))),
        objectives=(OBJECTIVE,),
        sampler=arm.sampler,
        sampler_options={},
        pruner=arm.pruner,
        pruner_options={},
        seed=sweep.seed,
        repeats=1,
        total_steps=EVALUATIONS,
    )
    plan = TrainingPlan(objectives=(OBJECTIVE,), evaluate_every=1)
    return Study(
        sweep,
        sampler=sampler,
        executor=SimulatedExecutor(curves, plan=plan, slots=SLOTS),
        ledger=ledger,
        sink=Nowhere(),
        budget=Budget(steps=EVALUATIONS, trials=trials),
        history=history,
    )


def loop(folder: Path, arm: Arm, trials: int) -> tuple[float, float]:
    """Milliseconds a trial, on the wall and of the processor; the ledger stays in ``folder``."""
    with closing(open_ledger(f"sqlite:///{folder / 'tuner.db'}")) as ledger:
        sweep = ledger.create(
            name="bench",
            spec={"workload": "synthetic", "budget": {"trials": trials}},
            spec_text="",
            environment={},
            objectives=(OBJECTIVE,),
            seed=0,
            repeats=1,
            at=time.time(),
        )
        study = study_of(sweep, ledger, arm, trials)
        wall, processor = time.perf_counter(), time.process_time()
        summary = study.run()
        taken = time.perf_counter() - wall, time.process_time() - processor
        ledger.set_status(sweep.id, "done", time.time())
    assert sum(summary.outcomes.values()) == trials
    return taken[0] / trials * 1e3, taken[1] / trials * 1e3


def resume(folder: Path, arm: Arm, trials: int) -> tuple[float, float]:
    """Seconds from an unopened ledger to a loop that would go on."""
    wall, processor = time.perf_counter(), time.process_time()
    with closing(open_ledger(f"sqlite:///{folder / 'tuner.db'}")) as ledger:
        sweep = ledger.load("bench")
        study_of(sweep, ledger, arm, trials, list(ledger.events(sweep.id)))
        return time.perf_counter() - wall, time.process_time() - processor


def command(folder: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds that a command takes as a whole."""
    line = [sys.executable, "-m", "tuner", *arguments, "--store", f"sqlite:///{folder / 'tuner.db'}"]
    wall, before = time.perf_counter(), os.times()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - wall, processor


def measure(sizes: Sequence[int], rounds: int, folder: Path) -> tuple[list[Loop], list[Taken], list[Taken]]:
    """Loops, resumes and commands, every one in every round."""
    least, most = min(sizes), max(sizes)
    cases = [(arm, trials) for arm in ARMS for trials in sizes if trials == least or not arm.learns]
    loops: dict[tuple[Arm, int], list[tuple[float, float]]] = {case: [] for case in cases}
    for number, (arm, trials) in turns(cases, rounds):
        place = folder / f"{number}-{arm.name}-{trials}"
        place.mkdir()
        loops[arm, trials].append(loop(place, arm, trials))
        print(f"{arm.name}, {trials}: {loops[arm, trials][-1]}", file=sys.stderr)
    resumes: dict[str, list[tuple[float, float]]] = {arm.name: [] for arm in ARMS}
    looks: dict[tuple[str, ...], list[tuple[float, float]]] = {arguments: [] for arguments in COMMANDS}
    for number, arm in turns(ARMS, rounds):
        lived = ARMS[0] if arm.learns else arm
        resumes[arm.name].append(resume(folder / f"{number}-{lived.name}-{most}", arm, most))
    for number, arguments in turns(COMMANDS, 2 * rounds):
        looks[arguments].append(command(folder / f"{number % rounds}-{ARMS[0].name}-{most}", arguments))
    return (
        [
            Loop(trials, arm.name, *(Figures(column) for column in zip(*rows, strict=True)))
            for (arm, trials), rows in loops.items()
        ],
        [Taken.of(name, seconds) for name, seconds in resumes.items()],
        [Taken.of(f"tuner {' '.join(arguments)}", seconds) for arguments, seconds in looks.items()],
    )


def page(loops: list[Loop], resumes: list[Taken], looks: list[Taken], facts: dict[str, str], rounds: int) -> str:
    """The results as Markdown."""
    least, most = min(it.trials for it in loops), max(it.trials for it in loops)
    base = {it.arm: it for it in loops if it.trials == least}

    def looped(it: Loop) -> tuple[str, ...]:
        grown = it.processor.median / base[it.arm].processor.median
        growth = f"{grown:.2f}" if it.trials > least else ""
        goals = [it.processor.median <= PER_TRIAL] if it.arm == ARMS[0].name else []
        met = "" if not goals else "yes" if all(goals) and grown <= GROWTH else "no"
        return (f"{it.trials:,}", it.arm, span(it.wall), span(it.processor), growth, met)

    def taken(all_of: list[Taken], first: str, goal: float) -> str:
        rows = [(it.what, span(it.wall), span(it.processor), "yes" if it.wall.median < goal else "no") for it in all_of]
        return table((first, "wall", "processor", "goal met"), rows)

    heads = ("trials", "sampler and pruner", "wall", "processor", f"against {least:,}", "goals met")
    return TEMPLATE.format(
        rounds=rounds,
        per_trial=PER_TRIAL,
        growth=GROWTH,
        resume=RESUME,
        look=LOOK,
        least=least,
        most=most,
        slots=SLOTS,
        facts=bullets(facts),
        loops=table(heads, [looped(it) for it in loops], words=2),
        resumes=taken(resumes, "sampler and pruner", RESUME),
        looks=taken(looks, "command", LOOK),
    )


def span(figures: Figures) -> str:
    """``0.55 (0.49 - 0.60)``."""
    return f"{figures.median:.2f} ({figures.least:.2f} - {figures.most:.2f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = with_quick(options("scale", __doc__, rounds=3))
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the stores are written")
    given = parser.parse_args(arguments)
    rounds, sizes = (1, [100, 300]) if given.quick else (given.rounds, given.trials)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    write = f"{fsync_milliseconds(given.folder):.2f} ms"
    facts = {**machine("optuna", "sqlalchemy", "numpy"), "one 4 KiB write + fsync": write}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        loops, resumes, looks = measure(sizes, rounds, Path(folder))
    text = page(loops, resumes, looks, facts, rounds)
    publish("scale", text, facts, [*loops, *resumes, *looks], given.json, keep=not given.quick)


if __name__ == "__main__":
    main()
