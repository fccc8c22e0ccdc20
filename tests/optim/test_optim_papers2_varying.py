"""Every rule of torch.optim stays torch's where a schedule moves not only the rate but any other hyper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import optim_cases as cases
import pytest
import torch

from tuner import optim
from tuner.trial import Value

STEPS = 50
FIXED = {
    ("nadam", "beta1"),
    ("nadam", "momentum_decay"),
    ("nadamw", "beta1"),
    ("nadamw", "momentum_decay"),
    ("adagrad", "initial_accumulator"),
    ("adagrad", "lr_decay"),
}
"""What a closed form over all steps takes as the same at each of them."""
TWINS = [
    rule for name in optim.names() if (rule := optim.get(name)).torch_equivalent and not rule.coupled | rule.structured
]
VARYING = [(r.name, h) for r in TWINS for h in r.hypers if h != "lr" and (r.name, h) not in FIXED]


@pytest.fixture(autouse=True)
def counters_in_float64() -> Iterator[None]:
    """torch keeps step counts in the default type, which would cost digits."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def falling(hypers: Mapping[str, Value], varies: str) -> Callable[[torch.Tensor], Mapping[str, torch.Tensor]]:
    """The rate, and one hyper more, lower from step to step."""

    def at(steps: torch.Tensor) -> Mapping[str, torch.Tensor]:
        lower = 1.0 - 0.3 * steps / STEPS
        return {"lr": hypers["lr"] * lower, varies: hypers[varies] * lower}

    return at


@pytest.mark.parametrize(("rule", "varies"), VARYING)
def test_hypers_may_vary_from_step_to_step(rule: str, varies: str) -> None:
    twin = optim.get(rule).torch_equivalent
    assert twin is not None
    hypers = cases.defaults(rule)
    hypers[varies] = hypers[varies] or 0.5
    schedule = falling(hypers, varies)
    noise = torch.randn(STEPS, 5, generator=torch.Generator().manual_seed(3))
    ours = optim.Population(1, 5, dtype=torch.float64)
    ours.fill(0, rule, hypers, torch.ones(5), schedule=schedule)
    w = torch.ones(5, requires_grad=True)
    theirs = getattr(torch.optim, twin.optimizer)([w], **twin.keywords(hypers))
    for step, grad in enumerate(noise):
        ours.grads[0] = grad
        ours.step()
        w.grad = grad.clone()
        now = {name: float(value) for name, value in schedule(torch.tensor(float(step))).items()}
        theirs.param_groups[0].update(twin.keywords({**hypers, **now}))
        theirs.step()
        torch.testing.assert_close(ours.params[0], w.detach(), rtol=1e-10, atol=1e-12)
