"""The numbers inside the kernel: accuracy where digits cancel, and signs."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from tuner.optim import Population, kernel
from tuner.optim.rules.nadam import log_product


@pytest.mark.parametrize("base", [0.0, 0.5, 0.9, 0.999, 1 - 1e-6, 1 - 1e-10])
@pytest.mark.parametrize("t", [1, 2, 17, 100])
def test_power_gap_keeps_its_digits(base: float, t: int) -> None:
    exact = float(1 - Fraction(base) ** t)
    got = kernel.power_gap(torch.tensor(base, dtype=torch.float64), torch.tensor(t, dtype=torch.float64))
    assert float(got) == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("momentum_decay", [0.0, 1e-12, 4e-3, 0.1, 1.0, 30.0])
def test_the_product_of_warming_momenta_has_its_closed_form(momentum_decay: float) -> None:
    log_q = math.log(0.96) * momentum_decay
    steps = torch.arange(1, 301, dtype=torch.float64)
    direct = torch.log1p(-0.5 * torch.exp(steps * log_q)).cumsum(0)
    torch.testing.assert_close(log_product(torch.tensor(log_q, dtype=torch.float64), steps), direct, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tiny_divisor_and_a_limit_make_a_sign(dtype: torch.dtype) -> None:
    grads = torch.tensor([[3.0, -1e-20, 0.0, 1e30, -1e30, math.nan]], dtype=dtype)
    params = torch.zeros_like(grads)
    coefficients = kernel.two_moment(lr=1.0, n2=1.0, **kernel.SIGN)
    columns = {name: torch.full((1, 1), float(c), dtype=dtype) for name, c in coefficients.items()}
    kernel.update(params, grads, kernel.init(params), columns)
    assert torch.equal(params[0, :-1], -torch.sign(grads[0, :-1]))
    assert params[0, -1].isnan()


def test_slow_averages_keep_their_digits_in_float32() -> None:
    """At beta2 = 1 - 3e-7 a float32 cannot hold beta2 to two digits, yet the average must come out right."""
    made = Population(1, 1, dtype=torch.float32)
    hypers = {"lr": 1e-3, "beta1": 0.9, "beta2": 1 - 3e-7, "eps": 1e-8, "weight_decay": 0.0}
    made.fill(0, "adamw", hypers, torch.zeros(1), schedule=lambda steps: {"lr": torch.full_like(steps, 1e-3)})
    made.load(0, {**made.save(0), "state.v": torch.ones(1)})
    for _ in range(100):
        made.step()
    lost = 1 - float(made.save(0)["state.v"])
    assert lost == pytest.approx(100 * 3e-7, rel=0.03)


def test_descent_survives_gradients_whose_square_overflows() -> None:
    made = Population(1, 1)
    made.fill(0, "sgd", {"lr": 1e-30, "l2": 0.0}, torch.zeros(1), schedule=lambda s: {"lr": torch.full_like(s, 1e-30)})
    made.grads.fill_(1e30)
    made.step()
    assert float(made.params[0]) == pytest.approx(-1.0)
