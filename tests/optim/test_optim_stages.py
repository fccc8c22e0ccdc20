"""A slot whose rule changes on the way: what is handed over, what starts afresh, and that it can be interrupted."""

from __future__ import annotations

import math

import optim_cases as cases
import pytest
import torch

from tuner import optim
from tuner.errors import UnknownNameError
from tuner.optim import Options, Population, Then, kernel
from tuner.optim.stage import stages

RULES = optim.names()
FAMILY = [name for name in RULES if optim.get(name).update is kernel.update]
SWITCH, END = 6, 14


def then(rule: str, at: int = SWITCH, **hypers: float) -> Then:
    chosen = {**cases.defaults(rule), **hypers}
    return Then(at=at, rule=rule, hypers=chosen, schedule=cases.falling(chosen["lr"]))


def switching(first: str, *later: Then, slots: int = 1, slot: int = 0, options: Options | None = None) -> Population:
    made = Population(slots, cases.LAYOUT, dtype=torch.float64)
    cases.fill(made, slot, first, then=later, options=options)
    return made


def continues(first: str, second: str) -> bool:
    chosen, plan = cases.defaults(first), then(second)
    return stages(first, chosen, cases.falling(chosen["lr"]), [plan])[1].goes_on


def test_who_goes_on_from_whom() -> None:
    for first, second in (("adamw", "nadam"), ("adam", "momentum"), ("momentum", "lion"), ("adam", "sgd")):
        assert continues(first, second)
    for first, second in (("sgd", "adam"), ("momentum", "adam"), ("adam", "adabelief"), ("adam", "lbfgs")):
        assert not continues(first, second)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_followed_by_itself_is_one_run(rule: str) -> None:
    once, twice = cases.population(rule), switching(rule, then(rule))
    for made in (once, twice):
        cases.advance(made, {0: cases.gradient(3, rule)}, range(END))
    cases.assert_same(cases.row(once, 0), cases.row(twice, 0))


@pytest.mark.parametrize("second", FAMILY)
@pytest.mark.parametrize("first", ["adam", "adagrad", "momentum", "lion"])
def test_under_a_steady_gradient_moments_mean_what_they_always_meant(first: str, second: str) -> None:
    """Handed-over moments are those that the second rule would have gathered itself."""
    if not continues(first, second):
        return

    def steady(step: int, w: torch.Tensor) -> torch.Tensor:
        return torch.linspace(-1.0, 1.0, cases.SIZE, dtype=w.dtype)

    def constant(steps: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"lr": torch.full_like(steps, 0.01)}

    before, after = cases.defaults(first), cases.defaults(second)
    made = Population(2, cases.LAYOUT, dtype=torch.float64)
    plan = Then(at=SWITCH, rule=second, hypers=after, schedule=constant)
    made.fill(0, first, before, cases.start(), schedule=constant, then=[plan])
    made.fill(1, second, after, cases.start(), schedule=constant)
    cases.advance(made, dict.fromkeys(range(2), steady), range(SWITCH))
    ours, own = cases.row(made, 0), cases.row(made, 1)
    for name in ("state.m", "state.v"):
        torch.testing.assert_close(ours[name], own[name], rtol=1e-10, atol=1e-14)
    assert made.rule(0).name == second


@pytest.mark.parametrize(("first", "second"), [("sgd", "adam"), ("adam", "adabelief"), ("adamw", "lbfgs-wolfe")])
def test_a_rule_that_cannot_go_on_starts_afresh(first: str, second: str) -> None:
    made = switching(first, then(second))
    cases.advance(made, {0: cases.gradient(3, second)}, range(END))

    fresh = cases.population(first)
    cases.advance(fresh, {0: cases.gradient(3, second)}, range(SWITCH))
    later = cases.falling(cases.defaults(second)["lr"])
    fresh.fill(0, second, cases.defaults(second), fresh.params[0].clone(), schedule=lambda steps: later(steps + SWITCH))
    cases.advance(fresh, {0: cases.gradient(3, second)}, range(SWITCH, END))
    torch.testing.assert_close(made.params, fresh.params, rtol=1e-12, atol=1e-14)


def test_adam_becomes_momentum_at_full_speed() -> None:
    """The piled-up direction is the mean gradient over 1 - momentum, not Adam's average as it stands."""
    made = switching("adam", then("momentum", at=400))
    cases.advance(made, {0: lambda step, w: torch.ones_like(w)}, range(400))
    torch.testing.assert_close(cases.row(made, 0)["state.m"], torch.full((cases.SIZE,), 10.0, dtype=torch.float64))


@pytest.mark.parametrize("interrupted_at", [3, SWITCH - 1, SWITCH, SWITCH + 1, 11])
@pytest.mark.parametrize("plan", [("adam", "momentum"), ("sgd", "adam"), ("adamw", "lbfgs-wolfe"), ("soap", "muon")])
def test_stages_are_saved_and_loaded(plan: tuple[str, str], interrupted_at: int) -> None:
    first, second = plan
    chain = (then(second), then("adagrad", at=10))
    options = Options(ema=0.9, decay_exclude="vectors")
    gradient = {0: cases.gradient(3, second)}
    through = switching(first, *chain, options=options)
    cases.advance(through, gradient, range(END))
    stopped = switching(first, *chain, options=options)
    cases.advance(stopped, gradient, range(interrupted_at))
    resumed = switching(first, *chain, slots=2, slot=1, options=options)
    resumed.load(1, stopped.save(0))
    assert resumed.lr(1) == stopped.lr(0)
    assert resumed.rule(1).name == (first if interrupted_at < SWITCH else second if interrupted_at < 10 else "adagrad")
    cases.advance(resumed, {1: gradient[0]}, range(interrupted_at, END))
    cases.assert_same(cases.row(resumed, 1), cases.row(through, 0))


def test_a_switch_leaves_the_neighbours_alone() -> None:
    together = Population(3, cases.LAYOUT, dtype=torch.float64)
    for slot, later in enumerate(((), (then("momentum"),), ())):
        cases.fill(together, slot, "adam", then=later)
    gradients = {slot: cases.gradient(slot) for slot in range(3)}
    gradients[1] = lambda step, w: torch.full_like(w, math.nan)
    cases.advance(together, gradients, range(END))
    for slot in (0, 2):
        single = cases.population("adam")
        cases.advance(single, {0: gradients[slot]}, range(END))
        cases.assert_same(cases.row(together, slot), cases.row(single, 0))


def test_wrong_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="from step 0 on: expected one after step 0"):
        switching("adam", then("sgd", at=0))
    with pytest.raises(ValueError, match="from step 4 on: expected one after step 6"):
        switching("adam", then("sgd"), then("adam", at=4))
    with pytest.raises(UnknownNameError, match="did you mean 'sgd'"):
        switching("adam", Then(at=3, rule="sdg", hypers={}, schedule=cases.falling(1.0)))
