"""Rules whose step answers to the parameters: written down once more as in their papers, on a noisy valley."""

from __future__ import annotations

import doctest
import importlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import optim_cases as cases
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner import optim

Array = np.ndarray
Paper = Callable[[dict[str, float], Array], Iterator[Array]]
"""A coroutine: takes hypers (lr: that of the step) and the parameters, is sent the gradient at what it yielded last."""

MODULES = ["adagrad_norm", "adan", "ademamix", "adopt", "nag_lookahead", "optlist_nadamw", "prodigy", "rprop", "yogi"]
STEEPNESS = np.logspace(-1, 0, cases.SIZE)
RANGES = {
    "ademamix": {"alpha_warmup": st.integers(1, 80), "beta3_warmup": st.integers(1, 80)},
    "prodigy": {"lr": st.floats(0.1, 2.0)},
}
"""Of hypers that are not searched by default."""


def adan(h, w):
    m = v = n = last = 0.0
    t = 0
    while True:
        g = yield w
        t += 1
        change = g - last if t > 1 else np.zeros_like(g)
        last = g
        m = h["beta1"] * m + (1 - h["beta1"]) * g
        v = h["beta2"] * v + (1 - h["beta2"]) * change
        n = h["beta3"] * n + (1 - h["beta3"]) * (g + h["beta2"] * change) ** 2
        m_hat, v_hat, n_hat = (x / (1 - h[b] ** t) for x, b in ((m, "beta1"), (v, "beta2"), (n, "beta3")))
        w = w - h["lr"] * (m_hat + h["beta2"] * v_hat) / (np.sqrt(n_hat) + h["eps"])
        w = w / (1 + h["lr"] * h["weight_decay"])


def ademamix(h, w):
    fast = slow = v = 0.0
    t = 0
    while True:
        g = yield w
        t += 1
        alpha = min(t * h["alpha"] / h["alpha_warmup"], h["alpha"])
        share = t / h["beta3_warmup"]
        first, last = math.log(h["beta1"]), math.log(h["beta3"])
        risen = math.exp(first * last / ((1 - share) * last + share * first)) if share < 1 else h["beta3"]
        beta3 = min(risen, h["beta3"])
        fast = h["beta1"] * fast + (1 - h["beta1"]) * g
        slow = beta3 * slow + (1 - beta3) * g
        v = h["beta2"] * v + (1 - h["beta2"]) * g**2
        fast_hat, v_hat = fast / (1 - h["beta1"] ** t), v / (1 - h["beta2"] ** t)
        w = w - h["lr"] * ((fast_hat + alpha * slow) / (np.sqrt(v_hat) + h["eps"]) + h["weight_decay"] * w)


def adopt(h, w):
    v = (yield w) ** 2
    m = 0.0
    t = 0
    while True:
        g = yield w
        t += 1
        scaled = np.clip(g / np.maximum(np.sqrt(v), h["eps"]), -(t**0.25), t**0.25)
        m = h["beta1"] * m + (1 - h["beta1"]) * scaled
        w = w - h["lr"] * h["weight_decay"] * w - h["lr"] * m
        v = h["beta2"] * v + (1 - h["beta2"]) * g**2


def yogi(h, w):
    m = v = 0.0
    t = 0
    while True:
        g = (yield w) + h["l2"] * w
        t += 1
        m = h["beta1"] * m + (1 - h["beta1"]) * g
        v = v - (1 - h["beta2"]) * np.sign(v - g**2) * g**2
        w = w - h["lr"] * m / (1 - h["beta1"] ** t) / (np.sqrt(v / (1 - h["beta2"] ** t)) + h["eps"])


def prodigy(h, w):
    start, d = w, h["d0"]
    m = v = r = s = 0.0
    beta3 = math.sqrt(h["beta2"])
    while True:
        g = yield w
        m = h["beta1"] * m + (1 - h["beta1"]) * d * g
        v = h["beta2"] * v + (1 - h["beta2"]) * d**2 * g**2
        r = beta3 * r + (1 - beta3) * h["lr"] * d**2 * np.dot(g, start - w)
        s = beta3 * s + (1 - beta3) * h["lr"] * d**2 * g
        w = w - h["lr"] * d * m / (np.sqrt(v) + d * h["eps"]) - h["lr"] * d * h["weight_decay"] * w
        d = max(d, h["d_coef"] * r / np.abs(s).sum())


def adagrad_norm(h, w):
    b = h["b0"]
    while True:
        g = (yield w) + h["l2"] * w
        b = math.hypot(b, np.linalg.norm(g))
        w = w - h["lr"] / b * g


def nag_lookahead(h, w):
    velocity = np.zeros_like(w)
    while True:
        ahead = w + h["momentum"] * velocity
        g = (yield ahead) + h["l2"] * ahead
        velocity = h["momentum"] * velocity - h["lr"] * g
        w = w + velocity


def optlist_nadamw(h, w):
    m = v = 0.0
    t = 0
    while True:
        g = (yield w) - h["l2"] * w
        t += 1
        m = h["beta1"] * m + (1 - h["beta1"]) * g
        v = h["beta2"] * v + (1 - h["beta2"]) * g**2
        rate = h["lr"] * math.sqrt(1 - h["beta2"] ** t) / (1 - h["beta1"] ** t)
        numerator = h["beta1"] * m + (1 - h["beta1"]) * g if h["nesterov"] else m
        w = w - (rate * numerator / (np.sqrt(v) + h["eps"]) + rate * h["weight_decay"] * w)


PAPERS: dict[str, Paper] = {
    "adan": adan,
    "ademamix": ademamix,
    "adopt": adopt,
    "yogi": yogi,
    "prodigy": prodigy,
    "adagrad-norm": adagrad_norm,
    "nag-lookahead": nag_lookahead,
    "optlist-nadamw": optlist_nadamw,
}


@pytest.mark.parametrize("name", sorted(PAPERS))
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_same_steps_as_the_paper_on_a_valley(name: str, data: st.DataObject) -> None:
    chosen = data.draw(cases.hypers(name)) | data.draw(st.fixed_dictionaries(RANGES.get(name, {})))
    noise = cases.gradient(data.draw(st.integers(0, 1000)))
    scale = data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    rates = cases.falling(chosen["lr"])(torch.arange(50, dtype=torch.float64))["lr"]

    def gradient(step: int, w: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(STEEPNESS) * w.clamp(-10, 10) + scale * noise(step, w)

    ours = optim.Population(1, cases.SIZE, dtype=torch.float64)
    cases.fill(ours, 0, name, chosen)
    h = dict(chosen)
    paper = PAPERS[name](h, cases.start().numpy())
    point = next(paper)
    for step in range(50):
        cases.advance(ours, {0: gradient}, range(step, step + 1))
        h["lr"] = float(rates[step])
        point = paper.send(gradient(step, torch.from_numpy(point)).numpy())
        np.testing.assert_allclose(ours.params[0], point, rtol=1e-10, atol=1e-10)


def descend(name: str, dtype: torch.dtype, steps: int, scale: float = 1.0, **hypers: float) -> torch.Tensor:
    """Parameters after steps down a valley of gradients ``scale`` times its own, from 1 everywhere."""
    w = torch.ones(cases.SIZE, dtype=dtype, requires_grad=True)
    optimizer = optim.as_torch_optimizer(name, [w], **hypers)
    for _ in range(steps):
        w.grad = scale * torch.from_numpy(STEEPNESS).to(dtype) * w.detach()
        optimizer.step()
    return w.detach().double()


@pytest.mark.parametrize("name", [*sorted(PAPERS), "rprop"])
def test_single_precision_follows_double_precision(name: str) -> None:
    single, double = descend(name, torch.float32, 30), descend(name, torch.float64, 30)
    lost = 0.05 if name == "prodigy" else 1e-5  # its first steps, 1e-6 long, are rounded to a digit
    torch.testing.assert_close(single, double, rtol=0, atol=lost)


@pytest.mark.parametrize("name", ["adan", "ademamix", "adopt", "yogi", "prodigy", "adagrad-norm", "rprop"])
def test_a_gradient_of_nothing_moves_nothing(name: str) -> None:
    w = descend(name, torch.float32, 3, scale=0.0, **({"weight_decay": 0.0} if name in {"adan", "ademamix"} else {}))
    assert torch.equal(w, torch.ones_like(w))


def test_look_ahead_with_a_steady_rate_is_nag() -> None:
    torch.testing.assert_close(
        descend("nag-lookahead", torch.float64, 50), descend("nag", torch.float64, 50), rtol=1e-12, atol=0
    )


def test_ademamix_without_its_slow_average_is_adamw() -> None:
    without = descend("ademamix", torch.float64, 50, alpha=0.0)
    torch.testing.assert_close(without, descend("adamw", torch.float64, 50), rtol=1e-12, atol=0)


def test_the_slow_average_of_ademamix_remembers_twice_as_long_halfway() -> None:
    """Halfway through its rise the time that it remembers is the mean of the first and the last."""
    h = {"beta1": 0.9, "beta3": 0.9999, "beta3_warmup": 1000.0, "beta2": 0.999, "lr": 1.0, "weight_decay": 0.0}
    h |= {"alpha": 4.0, "alpha_warmup": 500.0, "eps": 1e-8}
    numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in h.items()}
    steps = torch.tensor([500.0, 1000.0, 5000.0], dtype=torch.float64)
    taken = optim.get("ademamix").coefficients(numbers, steps)
    half_lives = 1 / torch.log1p(-taken["1-beta3"])
    mean = (1 / math.log(0.9) + 1 / math.log(0.9999)) / 2
    torch.testing.assert_close(half_lives, torch.tensor([mean, *2 * [1 / math.log(0.9999)]], dtype=torch.float64))
    assert taken["slow"].tolist() == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("name", ["prodigy", "rprop", "adopt"])
def test_the_scale_of_the_gradient_cancels_out(name: str, scale: float) -> None:
    hypers = {} if name == "rprop" else {"eps": 1e-30}
    plain, scaled = (descend(name, torch.float64, 60, scale=by, **hypers) for by in (1.0, scale))
    torch.testing.assert_close(scaled, plain, rtol=0, atol=1e-9)


@pytest.mark.parametrize("d0", [1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize("distance", [0.1, 10.0, 1000.0])
def test_prodigy_finds_how_far_it_has_to_go(d0: float, distance: float) -> None:
    w = torch.zeros(cases.SIZE, requires_grad=True)
    optimizer = optim.as_torch_optimizer("prodigy", [w], d0=d0)
    for _ in range(200):
        w.grad = torch.from_numpy(STEEPNESS).float() * (w.detach() - distance)
        optimizer.step()
    estimate = d0 * float(optimizer.state[w]["growth"])
    assert 0.05 * distance < estimate < 2 * distance
    assert (w.detach() - distance).abs().max() < distance / 2


def test_the_first_step_of_adagrad_norm_has_the_length_of_its_rate() -> None:
    for scale in (1e-3, 1.0, 1e3):
        moved = descend("adagrad-norm", torch.float64, 1, scale=scale, lr=0.5, b0=1e-9) - 1
        assert float(moved.norm()) == pytest.approx(0.5)


@pytest.mark.parametrize("module", MODULES)
def test_the_example_of_the_page_runs(module: str) -> None:
    found = importlib.import_module(f"tuner.optim.rules.{module}")
    assert doctest.testmod(found).attempted >= 5
    assert doctest.testmod(found).failed == 0
