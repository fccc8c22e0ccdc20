"""Rules find minima: at known speeds where there is a formula, and on three functions at a rate of their own range."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import optim_cases as cases
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tuner import optim
from tuner.optim import Layout, Population

RULES = optim.names()
RATES = 5
Function = Callable[[Tensor], Tensor]
"""Parameters [K, P] -> losses [K]."""


def constant(rate: float) -> Callable[[Tensor], dict[str, Tensor]]:
    return lambda steps: {"lr": torch.full_like(steps, rate)}


def descend(made: Population, function: Function, steps: int) -> None:
    def evaluate(slots: Sequence[int]) -> Tensor:
        with torch.enable_grad():
            points = made.params[slots].clone().requires_grad_()
            losses = function(points)
            losses.sum().backward()
        made.grads[slots] = points.grad
        return losses.detach()

    for _ in range(steps):
        evaluate(range(len(made.params)))
        made.step(evaluate=evaluate)


# ---------------------------------------------------------------- speeds that are known


def valley(w: Tensor) -> Tensor:
    return (torch.linspace(0.1, 1.0, w.shape[1], dtype=w.dtype) * w * w).sum(1) / 2


@pytest.mark.parametrize("rule", ["gd", "sgd"])
def test_descent_shrinks_each_direction_by_its_own_factor(rule: str) -> None:
    made = cases.population(rule)
    made.fill(0, rule, cases.defaults(rule), cases.start(), schedule=constant(0.7))
    descend(made, valley, 60)
    factors = (1 - 0.7 * torch.linspace(0.1, 1.0, cases.SIZE, dtype=torch.float64)) ** 60
    torch.testing.assert_close(made.params[0], factors * cases.start(), rtol=1e-9, atol=1e-30)


@pytest.mark.parametrize("rule", ["momentum", "nag", "momentum-ema"])
def test_momentum_shrinks_every_direction_alike(rule: str) -> None:
    """Where momentum overshoots, every direction shrinks by the root of it a step: 0.95^(1/2) for the heavy ball."""
    momentum = 0.95
    rate = 0.5 * (1 / (1 - momentum) if rule == "momentum-ema" else 1.0)
    chosen = {**cases.defaults(rule), "momentum": momentum, "lr": rate}
    made = Population(1, cases.LAYOUT, dtype=torch.float64)
    made.fill(0, rule, chosen, cases.start(), schedule=constant(rate))
    descend(made, valley, 400)
    per_step = float(made.params[0].norm() / cases.start().norm()) ** (1 / 400)
    if rule == "nag":
        slowest = math.sqrt(momentum * (1 - rate * 0.1))
        assert slowest - 0.02 < per_step < slowest + 0.005
    else:
        assert per_step == pytest.approx(math.sqrt(momentum), abs=0.01)


@pytest.mark.parametrize(
    "rule", ["adam", "adamw", "amsgrad", "adamax", "nadam", "adabelief", "lion", "signsgd", "sophia"]
)
def test_bounded_steps_walk_at_their_rate(rule: str) -> None:
    """Down a steady slope the parameters move by the rate a step, however steep it is."""
    made = Population(2, cases.LAYOUT, dtype=torch.float64)
    chosen = {name: 0.0 if name in ("weight_decay", "l2") else h for name, h in cases.defaults(rule).items()}
    for slot in range(2):
        made.fill(slot, rule, chosen, cases.start(), schedule=constant(0.01))
    slopes = torch.tensor([[0.01], [100.0]], dtype=torch.float64)
    descend(made, lambda w: (slopes * w).sum(1), 200)
    if rule == "adabelief":  # the more predictable the slope, the faster: at least the rate
        assert (cases.start() - made.params).min() > 2.0
    else:
        torch.testing.assert_close(cases.start() - made.params, torch.full_like(made.params, 2.0), rtol=0.05, atol=0)


@pytest.mark.parametrize("rule", ["lbfgs", "lbfgs-wolfe"])
def test_quasi_newton_needs_about_as_many_steps_as_dimensions(rule: str) -> None:
    made = cases.population(rule)
    made.fill(0, rule, cases.defaults(rule), cases.start(), schedule=constant(1.0))
    descend(made, valley, 2 * cases.SIZE)
    assert float(made.params.norm() / cases.start().norm()) < 1e-5


# ---------------------------------------------------------------- the best of five rates over each rule's own range


def quadratic(w: Tensor) -> Tensor:
    return (torch.logspace(0, -1, w.shape[1], dtype=w.dtype) * w * w).sum(1) / 2


def rosenbrock(w: Tensor) -> Tensor:
    """Divided by 100, so that its steepest curvature is about 10."""
    x, y = w.unbind(1)
    return (1 - x) ** 2 / 100 + (y - x * x) ** 2


@functools.cache
def answers() -> tuple[Tensor, Tensor]:
    """Inputs [200, 6] and noisy answers of a linear model, which no model gets all right."""
    generator = torch.Generator().manual_seed(0)
    inputs, truth = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (200, 1))
    return inputs, (torch.rand(200, generator=generator) < torch.sigmoid(2 * inputs @ truth[0])).double()


def logistic(w: Tensor) -> Tensor:
    inputs, targets = answers()
    logits = w[:, :6] @ inputs.T + w[:, 6:]
    return functional.softplus(logits).mean(1) - (logits * targets).mean(1)


FUNCTIONS = {
    "quadratic": (quadratic, [(2, 3), (3,)], [1.0] * 9, 400),
    "rosenbrock": (rosenbrock, [(1, 2)], [-1.2, 1.0], 1200),
    "logistic": (logistic, [(1, 6), (1,)], [0.0] * 7, 400),
}


@functools.cache
def best(name: str) -> dict[str, float]:
    """Loss of every rule after the steps, with the best of its rates and a straight fall of it; all rules at once."""
    function, shapes, start, steps = FUNCTIONS[name]
    chosen = []
    for rule in RULES:
        search = optim.get(rule).hypers["lr"].search
        ends = (search.low, search.high) if search else (cases.defaults(rule)["lr"],) * 2
        rates = torch.logspace(math.log10(ends[0]), math.log10(ends[1]), RATES, dtype=torch.float64).tolist()
        chosen += [(rule, rate) for rate in rates]
    made = Population(len(chosen), Layout.of(shapes), dtype=torch.float64)
    for slot, (rule, rate) in enumerate(chosen):

        def falling(at: Tensor, rate: float = rate) -> dict[str, Tensor]:
            return {"lr": rate * (1 - at / steps)}

        hypers = {**cases.defaults(rule), "lr": rate}
        made.fill(slot, rule, hypers, torch.tensor(start, dtype=torch.float64), schedule=falling)
    descend(made, function, steps)
    losses = function(torch.stack([made.weights(slot)[""] for slot in range(len(chosen))])).nan_to_num(nan=math.inf)
    return dict(zip(RULES, losses.view(-1, RATES).amin(1).tolist(), strict=True))


SHORT_RANGE = {"lion", "muon", "radam"}
"""Rules whose range ends at rates too small, or whose steps shrink too late, for so few steps."""


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_finds_the_bottom_of_a_quadratic(rule: str) -> None:
    assert best("quadratic")[rule] < (1e-2 if rule in SHORT_RANGE else 1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_follows_the_bent_valley(rule: str) -> None:
    """From 0.24; an eighth of that lies beyond the bend."""
    assert best("rosenbrock")[rule] < 0.03


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_fits_a_logistic_regression(rule: str) -> None:
    lowest = min(best("logistic").values())
    assert best("logistic")[rule] - lowest < (5e-2 if rule in SHORT_RANGE else 1e-2)
