"""Schedules on any hyper: rates, momenta, betas, weight decay."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from tuner import optim, schedules
from tuner.errors import HyperError, UsageError
from tuner.hyper import complete
from tuner.schedules import Drive, get, plan_of, trajectory

STEPS = torch.arange(40)
BASE = {"lr": 0.3, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.02}


@pytest.mark.parametrize("name", schedules.names())
def test_a_drive_moves_between_its_value_at_factor_0_and_at_factor_1(name: str) -> None:
    factors = get(name)(STEPS, 40, warmup=0.2)
    ends = {"lr": (0.0, None), "beta1": (None, 0.7), "beta2": (1.0, None), "weight_decay": (0.5, 0.1)}
    plan = {
        key: Drive(schedule=get(name), hypers={"warmup": 0.2}, zero=zero, one=one) for key, (zero, one) in ends.items()
    }
    values = trajectory(STEPS, 40, BASE, plan)
    for key, (zero, one) in ends.items():
        low, high = (BASE[key] if end is None else end for end in (zero, one))
        assert values[key].tolist() == pytest.approx([low * (1 - f) + high * f for f in factors.tolist()], rel=1e-12)


def test_each_hyper_has_a_schedule_of_its_own_and_the_others_stay_out() -> None:
    plan = {"lr": Drive(schedule=get("cosine")), "weight_decay": Drive(schedule=get("linear"), hypers={"final": 0.5})}
    values = trajectory(STEPS, 40, BASE, plan)
    assert set(values) == {"lr", "weight_decay"}
    torch.testing.assert_close(values["lr"], 0.3 * get("cosine")(STEPS, 40))
    torch.testing.assert_close(values["weight_decay"], 0.02 * get("linear")(STEPS, 40, final=0.5))


def test_the_bases_of_many_runs_are_vectors() -> None:
    rates = torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64)
    values = trajectory(torch.tensor([0, 20, 39]), 40, {"lr": rates}, {"lr": Drive(schedule=get("linear"))})
    assert values["lr"].tolist() == pytest.approx([0.1, 0.1, 0.01])


def test_without_a_peak_momentum_only_the_rate_moves() -> None:
    for name in schedules.names():
        assert set(plan_of(name, {"warmup": 0.1}, BASE)) == {"lr"}
    assert set(plan_of("one-cycle", {"peak_momentum": None}, BASE)) == {"lr"}


def test_momentum_goes_down_while_a_warmup_goes_up() -> None:
    values = trajectory(
        STEPS, 40, BASE, plan_of("triangular", {"peak_momentum": 0.6, "warmup": 0.3, "cycles": 1}, BASE)
    )
    assert values["beta1"].max() <= 0.9
    assert values["beta1"].min() == pytest.approx(0.6, abs=0.03)
    torch.testing.assert_close(values["lr"].argmax(), values["beta1"].argmin())


@pytest.mark.parametrize(("rule", "hypers"), [("momentum", {"momentum": 0.95}), ("adam", {"beta1": 0.95})])
def test_a_population_trains_with_it_as_torch_does(rule: str, hypers: dict[str, float]) -> None:
    start = torch.linspace(-1, 1, 5, dtype=torch.float64)
    param = torch.nn.Parameter(start.clone())
    params = [param]
    twin: torch.optim.Optimizer
    twin = torch.optim.SGD(params, lr=0.3, momentum=0.95) if rule == "momentum" else torch.optim.Adam(params, lr=0.3)
    scheduler = OneCycleLR(twin, 0.3, 40, base_momentum=0.6, max_momentum=0.95)

    base = complete(rule, optim.get(rule).hypers, {"lr": 0.3, **hypers})
    plan = plan_of("one-cycle", {"peak_momentum": 0.6}, base)
    numbers = {name: float(base[name] or 0) for name in plan}
    made = optim.Population(1, 5, dtype=torch.float64)
    made.fill(0, rule, base, start, schedule=lambda steps: trajectory(steps, 40, numbers, plan))
    for _ in range(40):
        param.grad = param.detach() ** 3
        twin.step()
        scheduler.step()
        made.grads[0] = made.params[0] ** 3
        made.step()
        torch.testing.assert_close(made.params[0], param.detach(), rtol=1e-10, atol=1e-14)


def test_a_hyper_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"no hyperparameter 'weigth_decay' to schedule; did you mean 'weight_decay'\?"
    ):
        trajectory(STEPS, 40, BASE, {"weigth_decay": Drive(schedule=get("linear"))})


def test_only_what_cycles_takes_a_peak_momentum() -> None:
    assert [name for name in schedules.names() if "peak_momentum" in get(name).hypers] == [
        "one-cycle",
        "triangular",
        "triangular-exp",
        "triangular2",
    ]
    with pytest.raises(HyperError, match=r"^one-cycle\.peak_momentum: expected in \[0, 1\) or null, got 1\.0"):
        trajectory(STEPS, 40, BASE, plan_of("one-cycle", {"peak_momentum": 1.0}, BASE))
