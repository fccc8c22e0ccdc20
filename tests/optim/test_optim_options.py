"""What a slot may have around its rule: bounds, sharpness, spared decay, lookahead, averages. For every rule."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import optim_cases as cases
import pytest
import torch
from torch import nn

from tuner import optim
from tuner.errors import UsageError
from tuner.optim import Layout, Options, Population, layout

RULES = optim.names()
STEPS = range(9)
MATRIX = torch.cat([torch.full((p.stop - p.start,), len(p.shape) > 1) for p in cases.LAYOUT.parts])
EVERYTHING = Options(
    sam_rho=0.05,
    clip_value=0.9,
    clip_adaptive=0.5,
    clip_norm=1.5,
    decay_exclude="vectors",
    lookahead_k=3,
    lookahead_alpha=0.4,
    ema=0.8,
    swa=4,
)


def run(
    rule: str, options: Options, steps: range = STEPS, gradient: cases.Gradient | None = None, **hypers: Any
) -> Population:
    made = Population(1, cases.LAYOUT, dtype=torch.float64)
    cases.fill(made, 0, rule, {**cases.defaults(rule), **hypers}, options=options)
    cases.advance(made, {0: gradient or cases.gradient(1, rule)}, steps)
    return made


def row_of(rule: str, options: Options) -> torch.Tensor:
    return run(rule, options).params[0]


@pytest.mark.parametrize("rule", RULES)
def test_slots_with_options_are_each_alone(rule: str) -> None:
    kinds = [Options(), EVERYTHING, Options(sam_rho=0.1, ema=0.5), Options(decay_exclude="vectors", lookahead_k=2)]
    together = Population(len(kinds), cases.LAYOUT, dtype=torch.float64)
    for slot, options in enumerate(kinds):
        cases.fill(together, slot, rule, options=options)
    cases.advance(together, dict.fromkeys(range(len(kinds)), cases.gradient(1, rule)), STEPS)
    for slot, options in enumerate(kinds):
        cases.assert_same(cases.row(together, slot), cases.row(run(rule, options), 0))
    assert len({tuple(w.tolist()) for w in together.params}) > 1


@pytest.mark.parametrize("rule", RULES)
def test_options_are_saved_and_loaded_with_the_slot(rule: str) -> None:
    first = run(rule, EVERYTHING, range(5))
    second = Population(2, cases.LAYOUT, dtype=torch.float64)
    cases.fill(second, 1, rule, options=EVERYTHING)
    second.load(1, first.save(0))
    cases.advance(second, {1: cases.gradient(1, rule)}, range(5, len(STEPS)))
    cases.assert_same(cases.row(second, 1), cases.row(run(rule, EVERYTHING), 0))


DECAYING = [name for name in RULES if {"l2", "weight_decay"} & optim.get(name).hypers.keys()]


@pytest.mark.parametrize("rule", DECAYING)
def test_decay_spares_vectors_on_request(rule: str) -> None:
    name = "l2" if "l2" in optim.get(rule).hypers else "weight_decay"

    def still(step: int, w: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(w)

    strong, none = {name: 0.1, "lr": 0.1}, {name: 0.0, "lr": 0.1}
    spared = run(rule, Options(decay_exclude="vectors"), gradient=still, **strong)
    plain = run(rule, Options(), gradient=still, **strong)
    free = run(rule, Options(), gradient=still, **none)
    assert torch.equal(spared.params[0, ~MATRIX], free.params[0, ~MATRIX])
    assert not torch.equal(spared.params[0, MATRIX], free.params[0, MATRIX])
    assert not torch.equal(plain.params[0, ~MATRIX], free.params[0, ~MATRIX])
    if optim.get(rule).structured or not optim.get(rule).coupled:
        torch.testing.assert_close(spared.params[0, MATRIX], plain.params[0, MATRIX], rtol=1e-12, atol=1e-12)


def test_clipping_by_value_is_that_of_torch() -> None:
    made = run("sgd", Options(clip_value=0.3), range(1))
    w = nn.Parameter(cases.start())
    w.grad = cases.gradient(1)(0, w.detach())
    nn.utils.clip_grad_value_([w], 0.3)
    torch.testing.assert_close(made.params[0], cases.start() - 0.1 * w.grad, rtol=1e-14, atol=1e-15)


def test_adaptive_clipping_bounds_each_unit() -> None:
    made = run("sgd", Options(clip_adaptive=0.2), range(1))
    w, g = cases.start().numpy(), cases.gradient(1)(0, cases.start()).numpy()
    expected = w.copy()
    for part in cases.LAYOUT.parts:
        size = int(np.prod(part.shape[1:])) if len(part.shape) > 1 else part.stop - part.start
        for start in range(part.start, part.stop, size):
            unit = slice(start, start + size)
            most = 0.2 * max(np.linalg.norm(w[unit]), 1e-3)
            expected[unit] -= 0.1 * g[unit] * min(1.0, most / np.linalg.norm(g[unit]))
    np.testing.assert_allclose(made.params[0], expected, rtol=1e-13, atol=1e-15)


def test_bounds_come_one_after_the_other() -> None:
    made = run("sgd", Options(clip_value=0.3, clip_norm=0.5), range(1))
    g = cases.gradient(1)(0, cases.start()).clamp(-0.3, 0.3)
    expected = cases.start() - 0.1 * g * min(1.0, 0.5 / (float(g.norm()) + 1e-6))
    torch.testing.assert_close(made.params[0], expected, rtol=1e-13, atol=1e-15)


def test_sharpness_is_felt_uphill_on_the_same_batch() -> None:
    def slope(step: int, w: torch.Tensor) -> torch.Tensor:
        return torch.arange(1.0, cases.SIZE + 1.0, dtype=w.dtype) * w + step

    made = run("momentum", Options(sam_rho=0.3), gradient=slope)
    w, m = cases.start(), torch.zeros(cases.SIZE, dtype=torch.float64)
    for step in STEPS:
        g = slope(step, w)
        m = 0.9 * m + slope(step, w + 0.3 * g / g.norm())
        w = w - cases.rate_at("momentum", step) * m
    torch.testing.assert_close(made.params[0], w, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("rule", "options"), [("sgd", Options(sam_rho=0.1)), ("lbfgs-wolfe", Options())])
def test_gradients_elsewhere_need_somebody_who_evaluates(rule: str, options: Options) -> None:
    made = Population(1, cases.LAYOUT)
    cases.fill(made, 0, rule, options=options)
    assert made.uses_probe(0)
    with pytest.raises(UsageError, match="call step with evaluate="):
        made.step()


def test_lookahead_returns_to_a_slow_copy() -> None:
    made = run("sgd", Options(lookahead_k=4, lookahead_alpha=0.3))
    w = slow = cases.start()
    for step in STEPS:
        w = w - 0.1 * 50 / (50 + step) * cases.gradient(1)(step, w)
        if (step + 1) % 4 == 0:
            slow = w = slow + 0.3 * (w - slow)
    torch.testing.assert_close(made.params[0], w, rtol=1e-12, atol=1e-12)


def test_averages_are_those_of_the_weights_after_each_step() -> None:
    made = Population(1, cases.LAYOUT, dtype=torch.float64)
    cases.fill(made, 0, "adam", options=Options(ema=0.7, swa=5))
    seen = []
    for step in STEPS:
        cases.advance(made, {0: cases.gradient(1)}, range(step, step + 1))
        seen.append(made.params[0].clone())
        ages = 0.7 ** torch.arange(len(seen) - 1, -1, -1, dtype=torch.float64)
        ema = (ages[:, None] * torch.stack(seen)).sum(0) / ages.sum()
        swa = torch.stack(seen[4:]).mean(0) if step >= 4 else seen[-1]
        weights = made.weights(0)
        assert weights.keys() == {"", "ema", "swa"}
        torch.testing.assert_close(weights["ema"], ema, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(weights["swa"], swa, rtol=1e-12, atol=1e-12)
        assert torch.equal(weights[""], made.params[0])
    torch.testing.assert_close(made.params[0], run("adam", Options()).params[0], rtol=0, atol=0)


@pytest.mark.parametrize("rule", [name for name in RULES if optim.get(name).evaluated])
def test_rules_that_average_are_evaluated_at_the_average(rule: str) -> None:
    made = run(rule, Options())
    assert torch.equal(made.weights(0)[""], cases.row(made, 0)[f"state.{optim.get(rule).evaluated}"])
    assert not torch.equal(made.weights(0)[""], made.params[0])

    w = cases.start().requires_grad_()
    optimizer = optim.as_torch_optimizer(rule, [w])
    for step in STEPS:
        optimizer.param_groups[0]["lr"] = cases.rate_at(rule, step)
        w.grad = cases.gradient(1, rule)(step, w.detach())
        optimizer.step()
    trained = w.detach().clone()
    with optimizer.evaluation():
        torch.testing.assert_close(w.detach(), made.weights(0)[""], rtol=1e-12, atol=1e-14)
    assert torch.equal(w.detach(), trained)


@pytest.mark.parametrize("rule", RULES)
def test_half_precision_is_stepped_in_single_and_rounded_once(rule: str) -> None:
    half, single = (Population(1, cases.LAYOUT, dtype=t) for t in (torch.bfloat16, torch.float32))
    for made in (half, single):
        made.fill(
            0, rule, cases.defaults(rule), cases.start().bfloat16(), schedule=cases.falling(cases.defaults(rule)["lr"])
        )

    def rounded(step: int, w: torch.Tensor) -> torch.Tensor:
        return cases.gradient(1, rule)(step, w.double()).bfloat16().float()

    for step in range(4):
        cases.advance(half, {0: rounded}, range(step, step + 1))
        cases.advance(single, {0: rounded}, range(step, step + 1))
        single.params.copy_(single.params.bfloat16())
        if not optim.get(rule).probing:  # whose points are rounded too
            assert torch.equal(half.params.float(), single.params)
    assert half.params.isfinite().all()
    assert {t.dtype for name, t in half.save(0).items() if name.startswith("state.")} == {torch.float32}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shapes", [[()], [(0,), (1,)], [(2, 1, 3, 2)], [(1, 1)], [(5, 2, 2), (0, 3)]])
def test_any_shape_is_stepped(rule: str, shapes: list[tuple[int, ...]]) -> None:
    made = Population(2, Layout.of(shapes), dtype=torch.float64)
    w = torch.linspace(1.0, 2.0, made.layout.size, dtype=torch.float64)
    for slot in range(2):
        made.fill(slot, rule, cases.defaults(rule), w, schedule=cases.falling(0.01), options=EVERYTHING)
    cases.advance(made, dict.fromkeys(range(2), lambda step, w: w), range(4))
    assert torch.equal(made.params[0], made.params[1])
    assert made.params.isfinite().all()
    assert not torch.equal(made.params[0], w)

    params = [torch.ones(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    optimizer = optim.as_torch_optimizer(rule, params, lr=0.01)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = sum(p.square().sum() for p in params) / 2
        loss.backward()
        return loss

    for _ in range(4):
        optimizer.step(closure)
    assert all(p.isfinite().all() for p in params)


def test_a_models_layout_tells_hidden_weights() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    parts = Layout.of_model(model).parts
    assert [p.shape for p in parts] == [(5, 4), (4, 4), (4,), (4,), (4,), (2, 4), (2,)]
    assert [p.shape for p in parts if p.hidden] == [(4, 4)]
    assert doctest.testmod(layout).attempted == doctest.testmod(layout).attempted > 0
    assert doctest.testmod(layout).failed == 0
