"""Slots are strangers to each other: a slot's numbers depend on its own rule, hypers, schedule and gradients alone."""

from __future__ import annotations

import math

import optim_cases as cases
import pytest
import torch

from tuner import optim
from tuner.errors import UnknownNameError
from tuner.optim import Population
from tuner.optim.population import HORIZON

RULES = optim.names()
GRADIENTS = {slot: cases.gradient(slot, rule) for slot, rule in enumerate(RULES)}
STEPS = range(12)


def alone(slot: int, steps: range = STEPS) -> dict[str, torch.Tensor]:
    """The row that the rule of ``slot`` comes to in a population of one."""
    single = cases.population(RULES[slot])
    cases.advance(single, {0: GRADIENTS[slot]}, steps)
    return cases.row(single, 0)


def test_a_mixed_population_is_each_slot_alone() -> None:
    together = cases.population(*RULES)
    cases.advance(together, GRADIENTS, STEPS)
    for slot in range(len(RULES)):
        cases.assert_same(cases.row(together, slot), alone(slot))


def test_permuting_slots_permutes_results() -> None:
    order = torch.randperm(len(RULES), generator=torch.Generator().manual_seed(1)).tolist()
    permuted = cases.population(*(RULES[k] for k in order))
    cases.advance(permuted, {slot: GRADIENTS[k] for slot, k in enumerate(order)}, STEPS)
    for slot, k in enumerate(order):
        cases.assert_same(cases.row(permuted, slot), alone(k))


@pytest.mark.parametrize("rule", RULES)
def test_many_slots_of_one_rule_are_each_alone(rule: str) -> None:
    chosen = [{**cases.defaults(rule), "lr": lr} for lr in (1e-3, 1e-2, 1e-1)]
    together = Population(3, cases.LAYOUT, dtype=torch.float64)
    for slot, h in enumerate(chosen):
        cases.fill(together, slot, rule, h)
    cases.advance(together, {slot: cases.gradient(slot, rule) for slot in range(3)}, STEPS)
    for slot, h in enumerate(chosen):
        single = Population(1, cases.LAYOUT, dtype=torch.float64)
        cases.fill(single, 0, rule, h)
        cases.advance(single, {0: cases.gradient(slot, rule)}, STEPS)
        cases.assert_same(cases.row(together, slot), cases.row(single, 0))
    assert len({tuple(w.tolist()) for w in together.params}) == 3


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_diverged_slot_leaves_the_others_alone(poison: float) -> None:
    together = cases.population(*RULES, *RULES)
    sick = {k + len(RULES): lambda step, w: torch.full_like(w, poison) for k in range(len(RULES))}
    cases.advance(together, {**GRADIENTS, **sick}, STEPS)
    for slot in range(len(RULES)):
        cases.assert_same(cases.row(together, slot), alone(slot))


@pytest.mark.parametrize("rule", RULES)
def test_nan_gradients_are_not_swallowed(rule: str) -> None:
    sick = cases.population(rule)
    cases.advance(sick, {0: lambda step, w: torch.full_like(w, math.nan)}, range(2))
    assert sick.params.isnan().all()


@pytest.mark.parametrize("earlier", RULES)
def test_a_refilled_slot_starts_afresh(earlier: str) -> None:
    later = RULES[RULES.index(earlier) - 1]
    reused = cases.population(later, earlier, later)
    cases.advance(reused, {k: lambda step, w: torch.full_like(w, math.nan) for k in range(3)}, range(3))
    for rule in (earlier, later):
        slot = RULES.index(rule)
        cases.fill(reused, 1, rule)
        assert reused.steps(1) == 0
        cases.advance(reused, {1: GRADIENTS[slot]}, STEPS)
        cases.assert_same(cases.row(reused, 1), alone(slot))


def test_idle_slots_keep_every_bit() -> None:
    together = cases.population(*RULES)
    cases.advance(together, GRADIENTS, range(5))
    rests = torch.arange(len(RULES)) % 3 == 1
    together.params[rests, 0] = -0.0
    together.grads[rests] = math.nan
    before = {k: cases.row(together, k) for k in range(len(RULES)) if rests[k]}
    cases.advance(together, {k: g for k, g in GRADIENTS.items() if not rests[k]}, range(5, 12), ~rests)
    for k, saved in before.items():
        cases.assert_same(cases.row(together, k), saved)
    assert together.params[rests, 0].signbit().all()


def test_a_slot_goes_on_after_idling() -> None:
    together = cases.population(*RULES)
    rests = torch.arange(len(RULES)) % 3 == 1
    cases.advance(together, GRADIENTS, range(5))
    cases.advance(together, {k: g for k, g in GRADIENTS.items() if not rests[k]}, range(5, 12), ~rests)
    cases.advance(together, {k: g for k, g in GRADIENTS.items() if rests[k]}, range(5, 12), rests)
    for k in range(len(RULES)):
        cases.assert_same(cases.row(together, k), alone(k))


def test_cleared_slots_are_left_alone() -> None:
    together = cases.population("sgd", "adamw", "sgd")
    together.clear(1)
    before = together.params[1].clone()
    together.grads.fill_(1.0)
    together.step()
    assert torch.equal(together.params[1], before)
    assert not torch.equal(together.params[2], cases.start())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("interrupted_at", [1, 4])
def test_saved_and_loaded_is_uninterrupted(rule: str, interrupted_at: int) -> None:
    slot = RULES.index(rule)
    first = cases.population(rule)
    cases.advance(first, {0: GRADIENTS[slot]}, range(interrupted_at))
    saved = first.save(0)
    cases.advance(first, {0: GRADIENTS[slot]}, range(interrupted_at, 12))  # what was saved must not follow
    second = cases.population("sgd", rule)
    cases.advance(second, {1: GRADIENTS[slot]}, range(2))
    second.load(1, saved)
    assert second.steps(1) == interrupted_at
    assert second.lr(1) == cases.rate_at(rule, interrupted_at)
    cases.advance(second, {1: GRADIENTS[slot]}, range(interrupted_at, 12))
    cases.assert_same(cases.row(second, 1), alone(slot))


def test_what_another_rule_saved_is_refused() -> None:
    made = cases.population("adam", "adadelta")
    with pytest.raises(ValueError, match=r"adadelta saves .* saved by another rule"):
        made.load(1, made.save(0))


def test_coefficients_go_on_past_the_horizon() -> None:
    steps = range(HORIZON + 20)
    late, early = cases.population("nadam"), cases.population("sgd", "nadam")
    cases.advance(early, {}, range(5), torch.tensor([True, False]))
    for made, slot in ((late, 0), (early, 1)):
        cases.advance(made, {slot: lambda step, w: torch.sin(step + w)}, steps)
    cases.assert_same(cases.row(late, 0), cases.row(early, 1))
    assert late.lr(0) == cases.rate_at("nadam", len(steps))


def test_lr_is_the_rate_that_the_next_step_uses() -> None:
    made = cases.population("sgd")
    for _ in range(5):
        rate, before = made.lr(0), made.params[0].clone()
        made.grads.fill_(1.0)
        made.step()
        torch.testing.assert_close(made.params[0], before - rate)


@pytest.mark.parametrize("limit", [1e-2, 1.0, 1e3])
def test_clipping_is_that_of_torch_and_the_slots_own(limit: float) -> None:
    made = Population(3, cases.LAYOUT, dtype=torch.float64)
    for slot, clip_norm in enumerate((None, limit, None)):
        cases.fill(made, slot, "sgd", options=optim.Options(clip_norm=clip_norm))
    w = torch.nn.Parameter(cases.start())
    w.grad = GRADIENTS[0](0, w.detach())
    cases.advance(made, dict.fromkeys(range(3), GRADIENTS[0]), range(1))
    unclipped = cases.start() - cases.defaults("sgd")["lr"] * w.grad
    torch.nn.utils.clip_grad_norm_([w], limit)
    torch.testing.assert_close(made.params[1], cases.start() - cases.defaults("sgd")["lr"] * w.grad, rtol=1e-14, atol=0)
    for slot in (0, 2):
        torch.testing.assert_close(made.params[slot], unclipped, rtol=1e-14, atol=1e-16)


def test_parameters_and_gradients_stay_where_they_are() -> None:
    made = Population(2, cases.SIZE)
    params, grads = made.params.data_ptr(), made.grads.data_ptr()
    cases.fill(made, 0, "adam")
    made.grads.fill_(1.0)
    made.step()
    assert (made.params.data_ptr(), made.grads.data_ptr()) == (params, grads)
    assert made.params.dtype == torch.float32
    assert torch.equal(made.grads[0], torch.ones(cases.SIZE))


def test_an_unknown_rule_is_refused_with_the_nearest() -> None:
    made = Population(1, cases.SIZE)
    with pytest.raises(UnknownNameError, match="did you mean 'adagrad'"):
        made.fill(0, "adagradd", {}, cases.start(), schedule=cases.falling(1.0))
