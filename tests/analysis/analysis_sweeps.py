"""Sweeps as a ledger would give them back, made up from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from tuner.trial import Objective, Point, State, Sweep, TrialRecord, TrialSpec, Value

ACCURACY = Objective(metric="accuracy", direction="maximize")
LOSS = Objective(metric="loss", direction="minimize")
EVALUATIONS = 15
RATES = {"adamw": 3e-3, "momentum": 0.1, "nadam": 2e-3, "rmsprop": 1e-3, "sgd": 0.3}  # best rate of each optimizer
SKILL = {"adamw": 0.0, "momentum": 0.004, "nadam": 0.001, "rmsprop": 0.012, "sgd": 0.05}


def sweep(*, repeats: int = 1, objectives: Sequence[Objective] = (ACCURACY,), name: str = "digits") -> Sweep:
    return Sweep(
        id=f"{name}-3",
        name=name,
        spec={"name": name, "workload": "digits-mlp"},
        spec_text=f"name: {name}\nworkload: digits-mlp\nspace:\n  optimizer: [adamw, sgd]\n",
        environment={"python": "3.11.9", "torch": "2.13.0", "device": "cpu", "commit": "0123abc"},
        objectives=tuple(objectives),
        seed=0,
        repeats=repeats,
        created_at=1_700_000_000.0,
    )


def params(rng: random.Random) -> dict[str, Value]:
    optimizer = rng.choice(sorted(RATES))
    schedule = rng.choice(["constant", "cosine", "one-cycle"])
    own: dict[str, Value] = {f"{optimizer}.lr": RATES[optimizer] * 10 ** rng.uniform(-2, 1.5)}
    if optimizer in ("adamw", "nadam"):
        own |= {f"{optimizer}.one_minus_beta1": 10 ** rng.uniform(-2, -0.5), f"{optimizer}.beta2": 0.999}
    if optimizer == "momentum":
        own["momentum.momentum"] = rng.uniform(0.5, 0.99)
    if schedule == "cosine":
        own["cosine.warmup"] = rng.uniform(0, 0.1)
    shared: dict[str, Value] = {
        "clip_norm": rng.choice([None, 1.0]),
        "batch_size": rng.choice([32, 64, 128]),
        "width": round(2 ** rng.uniform(4, 7)),
    }
    return {"optimizer": optimizer, "schedule": schedule, **own, **shared}


def record(
    index: int,
    chosen: dict[str, Value],
    state: State = State.COMPLETED,
    *,
    seed: int = 0,
    values: dict[str, float] | None = None,
    total_steps: int = 300,
    note: str = "",
) -> TrialRecord:
    """One trial whose loss falls from 2.3 towards what its parameters deserve; ``values`` overrides the last ones."""
    rng = random.Random(f"{seed}-{index}")  # noqa: S311 - made-up results
    optimizer = str(chosen["optimizer"])
    rate = chosen.get(f"{optimizer}.lr")
    off = math.log10(float(rate) / RATES[optimizer]) if rate and optimizer in RATES else 0.0
    error = min(0.85, 0.02 + SKILL.get(optimizer, 0.0) + 0.03 * abs(off) ** 2.5 + abs(rng.gauss(0, 0.004)))
    share = rng.uniform(0.2, 0.6) if state in (State.PRUNED, State.RUNNING) else 0.1 if state is State.DIVERGED else 1.0
    points = 0 if state is State.WAITING else max(1, round(EVALUATIONS * share))
    curve = []
    for k in range(1, points + 1):
        now = error + (0.88 - error) * math.exp(-6 * k / EVALUATIONS / (1 + abs(off))) * rng.uniform(0.95, 1.05)
        metrics = {"accuracy": 1 - now, "loss": 2.6 * now, "seconds_per_step": 0.001 * float(chosen.get("width") or 32)}
        curve.append(Point(step=total_steps * k // EVALUATIONS, at=1_700_000_000.0 + index + k, metrics=metrics))
    final = values if values is not None else dict(curve[-1].metrics) if curve and state in VALUED else {}
    ended = state.is_outcome
    return TrialRecord(
        spec=TrialSpec(sweep="digits-3", index=index, params=chosen, seed=index, total_steps=total_steps),
        state=state,
        values=final,
        step=curve[-1].step if curve else 0,
        proposed_at=1_700_000_000.0 + index,
        started_at=None if state is State.WAITING else 1_700_000_000.0 + index,
        finished_at=1_700_000_000.0 + index + rng.uniform(3, 9) if ended else None,
        worker="inline",
        note=note,
        curve=tuple(curve),
    )


VALUED = (State.COMPLETED, State.PRUNED)


def records(n: int, *, repeats: int = 1, seed: int = 0, unhappy: float = 0.3) -> list[TrialRecord]:
    """``n`` trials, of whose configurations a share ``unhappy`` were pruned or diverged."""
    rng = random.Random(seed)  # noqa: S311 - made-up results
    made: list[TrialRecord] = []
    while len(made) < n:
        chosen = params(rng)
        state = rng.choice([State.PRUNED, State.PRUNED, State.DIVERGED]) if rng.random() < unhappy else State.COMPLETED
        note = "loss became nan at step 30" if state is State.DIVERGED else ""
        made += [record(len(made) + r, chosen, state, seed=seed, note=note) for r in range(repeats)]
    return made[:n]
