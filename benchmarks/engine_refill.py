"""What refilling slots is worth: trials of very different lengths, in fixed batches and in slots refilled at once.

    python -m benchmarks.engine_refill [--rounds 5] [--trials 500] [--quick]

Successive halving that stops: at a rung a trial goes on only if it is among the best third of those that came there so
far. Every arm trains the same configurations of the tiny MLP (AdamW, rates log-uniform) on 64 slots of the same engine,
not compiled, and decides in the same way; as trials come to rungs in another order, a few other trials go on. "Fixed
batches" begin 64 trials together, and the next 64 when the last of them has ended, and the rows of those that have
ended are computed all the same: HFTA's way. A slot-step is useful where a trial was trained in it; a row that was
computed for nobody is not.
"""

from __future__ import annotations

import sys
import time
from bisect import insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import torch

from benchmarks.common import Figures, bullets, machine, options, publish, table, turns, with_quick
from benchmarks.engine_models import CASES
from tuner.training import Engine, rack
from tuner.training.bucket import Bucket
from tuner.training.pace import FUSED, ONE_BY_ONE
from tuner.trial import Objective, Reported, TrainingPlan, TrialSpec

SLOTS, ETA, NEVER = 64, 3, sys.maxsize
TEMPLATE = """\
# Refilling slots under successive halving

Written by `python -m benchmarks.engine_refill`; that file says what each arm does. {trials} trials on {slots} slots,
rungs at {rungs} of {longest} steps, the best 1/{eta} go on; arms took turns in each of {rounds} rounds.

{facts}

## Goals

{goals}

## Figures

Medians of the rounds; the ratio is of the makespans.

{figures}
"""


@dataclass(frozen=True)
class Arm:
    """How slots are filled; ``fused`` computes every row in every step, whoever is in it."""

    name: str
    refills: bool
    fused: bool
    compacts: bool = True


FIXED = Arm("fixed batches run to their end", refills=False, fused=True, compacts=False)
BATCHES = Arm("fixed batches, rows given up as trials end", refills=False, fused=False)
ROWS = Arm("ours, always in one program", refills=True, fused=True)
OURS = Arm("ours", refills=True, fused=False)
ARMS = (FIXED, BATCHES, ROWS, OURS)


@dataclass(frozen=True)
class Halving:
    """The rungs, and who goes on at one: the best 1/eta of those that came, the first one in any case."""

    trials: int
    first: int
    rungs: int

    @property
    def steps(self) -> tuple[int, ...]:
        """The rungs' steps."""
        return tuple(self.first * ETA**rung for rung in range(self.rungs))

    @property
    def longest(self) -> int:
        """Steps of a trial that is never stopped."""
        return self.first * int(ETA**self.rungs)


@dataclass
class Count:
    """Slot-steps: those of trials, and all that were computed."""

    useful: int = 0
    computed: int = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count every step of every bucket."""
        step = Bucket.gradients

        def counted(bucket: Bucket) -> object:
            active = len(bucket.slots)
            found = step(bucket)
            self.useful += active
            self.computed += active if bucket.structure.pace.last in ONE_BY_ONE else bucket.rows
            return found

        with patch.object(Bucket, "gradients", counted):
            yield


@dataclass(frozen=True)
class Result:
    """Seconds until the last trial has ended, the share of useful slot-steps, and the steps of all trials."""

    arm: str
    seconds: Figures
    useful: Figures
    steps: Figures


def play(arm: Arm, halving: Halving, seed: int) -> tuple[float, Count]:
    """Train every trial; the seconds that it took."""
    plan = TrainingPlan(objectives=(Objective(metric="loss", direction="minimize"),), evaluate_every=halving.first)
    count, rates = Count(), torch.rand(halving.trials, generator=torch.Generator().manual_seed(seed))
    engine = Engine(CASES["mlp"].kind(), plan, slots=SLOTS, form=FUSED if arm.fused else None)
    waiting = [
        TrialSpec(
            sweep="bench",
            index=number,
            params={"optimizer": "adamw", "adamw.lr": float(10 ** (4 * rates[number] - 5))},
            seed=seed + number,
            total_steps=halving.longest,
        )
        for number in reversed(range(halving.trials))
    ]
    came: dict[int, list[float]] = defaultdict(list)
    with count.watching(), patch.object(rack, "SETTLED", rack.SETTLED if arm.compacts else NEVER):
        start = time.perf_counter()
        while waiting or not engine.is_idle():
            if arm.refills or engine.is_idle():
                for _ in range(min(engine.free(), len(waiting))):
                    engine.admit(waiting.pop())
            for event in engine.step():
                if isinstance(event, Reported) and event.step in halving.steps:
                    values, value = came[event.step], event.metrics["loss"]
                    insort(values, value)
                    if value > values[max(1, len(values) // ETA) - 1]:
                        engine.stop(event.trial)
        seconds = time.perf_counter() - start
    engine.close()
    return seconds, count


def measure(halving: Halving, rounds: int) -> Iterator[Result]:
    """Every arm in turn."""
    found: dict[Arm, list[tuple[float, Count]]] = {arm: [] for arm in ARMS}
    for seed, arm in turns(ARMS, rounds):
        seconds, count = play(arm, halving, seed)
        print(f"{arm.name}: {seconds:.2f} s, {count.useful} of {count.computed}", file=sys.stderr)
        found[arm].append((seconds, count))
    for arm, played in found.items():
        yield Result(
            arm.name,
            Figures(tuple(seconds for seconds, _ in played)),
            Figures(tuple(count.useful / count.computed for _, count in played)),
            Figures(tuple(float(count.useful) for _, count in played)),
        )


def page(results: Sequence[Result], facts: Mapping[str, str], rounds: int, halving: Halving) -> str:
    """The results as Markdown."""
    by_arm = {result.arm: result for result in results}
    fixed = by_arm[FIXED.name].seconds.median

    def goal(claim: str, bound: float, measured: float) -> tuple[str, ...]:
        return claim, f"≥ {bound:.2f}", f"{measured:.3f}", "yes" if measured >= bound else "no"

    return TEMPLATE.format(
        trials=halving.trials,
        slots=SLOTS,
        rungs=", ".join(map(str, halving.steps)),
        longest=halving.longest,
        eta=ETA,
        rounds=rounds,
        facts=bullets(facts),
        goals=table(
            ("", "goal", "measured", "met"),
            [
                goal(f"useful slot-steps, {ROWS.name}", 0.97, by_arm[ROWS.name].useful.median),
                goal(f"useful slot-steps, {OURS.name}", 0.97, by_arm[OURS.name].useful.median),
                goal(f"makespan of {FIXED.name} over {OURS.name}", 1.5, fixed / by_arm[OURS.name].seconds.median),
            ],
        ),
        figures=table(
            ("arm", "makespan, s", "range", "ratio", "useful slot-steps", "trial-steps"),
            [
                (
                    r.arm,
                    f"{r.seconds.median:.2f}",
                    f"{r.seconds.least:.2f} - {r.seconds.most:.2f}",
                    f"{fixed / r.seconds.median:.2f}",
                    f"{r.useful.median:.1%}",
                    f"{r.steps.median:,.0f}",
                )
                for r in results
            ],
        ),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = with_quick(options("engine_refill", __doc__, rounds=5))
    parser.add_argument("--trials", type=int, default=500)
    given = parser.parse_args(arguments)
    rounds = 1 if given.quick else given.rounds
    halving = Halving(100, first=9, rungs=2) if given.quick else Halving(given.trials, first=81, rungs=3)
    facts = {**machine("torch"), "threads": str(torch.get_num_threads())}
    results = list(measure(halving, rounds))
    publish("engine_refill", page(results, facts, rounds, halving), facts, results, given.json, keep=not given.quick)


if __name__ == "__main__":
    main()
