"""Whole runs against torch.optim.lr_scheduler, wherever torch has the same schedule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tuner import schedules
from tuner.errors import HyperError

TOTAL = 120
BASE = 0.3
Build = Callable[[torch.optim.Optimizer], LRScheduler]

TWINS: dict[str, tuple[dict[str, float], Build]] = {
    "constant": ({}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "linear": ({"final": 0.2}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, TOTAL)),
    "polynomial": ({"power": 2.5}, lambda o: lr_scheduler.PolynomialLR(o, TOTAL, 2.5)),
    "exponential": ({"final": 0.05}, lambda o: lr_scheduler.ExponentialLR(o, 0.05 ** (1 / TOTAL))),
    "step": ({"every": 0.1, "gamma": 0.6}, lambda o: lr_scheduler.StepLR(o, 12, 0.6)),
    "cosine": ({"final": 0.1}, lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL, eta_min=0.1 * BASE)),
    "cosine-restarts": (
        {"period": 0.1, "multiplier": 2, "final": 0.1},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 12, 2, eta_min=0.1 * BASE),
    ),
    "cosine-restarts, equal waves": (
        {"period": 0.25},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 30),
    ),
    "cosine-restarts, ten times as long each": (
        {"period": 1 / TOTAL, "multiplier": 10},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 1, 10),
    ),
    "one-cycle": (
        {"peak": 0.3, "start": 0.04, "final": 4e-6},
        lambda o: lr_scheduler.OneCycleLR(o, BASE, TOTAL, cycle_momentum=False),
    ),
    "one-cycle, early peak": (
        {"peak": 0.11, "start": 0.1, "final": 1e-2},
        lambda o: lr_scheduler.OneCycleLR(
            o, BASE, TOTAL, pct_start=0.11, div_factor=10, final_div_factor=10, cycle_momentum=False
        ),
    ),
    "triangular": (
        {"cycles": 3, "low": 0.25},
        lambda o: lr_scheduler.CyclicLR(o, 0.25 * BASE, BASE, TOTAL // 6, cycle_momentum=False),
    ),
}


def torch_run(build: Build) -> list[float]:
    """The rate of each step of a run."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    scheduler = build(optimizer)
    rates = []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("case", sorted(TWINS))
def test_same_rates_as_torch(case: str) -> None:
    hypers, build = TWINS[case]
    schedule = schedules.get(case.partition(",")[0])
    ours = BASE * schedule(torch.arange(TOTAL), TOTAL, **hypers)
    assert ours.tolist() == pytest.approx(torch_run(build), rel=1e-10, abs=1e-16)


def test_warmup_is_a_linear_one_before_the_schedule() -> None:
    def build(o: torch.optim.Optimizer) -> LRScheduler:
        rise = lr_scheduler.LinearLR(o, 1 / 31, 1.0, 30)
        return lr_scheduler.SequentialLR(o, [rise, lr_scheduler.CosineAnnealingLR(o, 90)], [30])

    ours = BASE * schedules.get("cosine")(torch.arange(TOTAL), TOTAL, warmup=0.25)
    assert ours.tolist() == pytest.approx(torch_run(build), rel=1e-10, abs=1e-16)


@pytest.mark.parametrize("name", schedules.names())
def test_as_torch_scheduler_gives_the_factors(name: str) -> None:
    expected = BASE * schedules.get(name)(torch.arange(TOTAL), TOTAL, warmup=0.1)
    rates = torch_run(lambda o: schedules.as_torch_scheduler(name, o, TOTAL, warmup=0.1))
    assert rates == pytest.approx(expected.tolist(), rel=1e-12)


def test_as_torch_scheduler_refuses_wrong_hypers_at_once() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    with pytest.raises(HyperError, match=r"^cosine\.warmup: expected in \[0, 1\), got 1\.5"):
        schedules.as_torch_scheduler("cosine", optimizer, TOTAL, warmup=1.5)
