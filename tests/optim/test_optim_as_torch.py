"""Any rule and any schedule in an ordinary torch training loop."""

from __future__ import annotations

import copy
import doctest
import io
import pickle

import optim_cases as cases
import pytest
import torch
from torch import nn

from tuner import optim, schedules
from tuner.errors import HyperError, UsageError
from tuner.optim import as_torch, as_torch_optimizer

RULES = optim.names()


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: range, scheduler: object = None) -> float:
    """Train with a closure; the loss before the last step."""
    for step in steps:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step), dtype=torch.float64)

        def closure(x: torch.Tensor = x) -> torch.Tensor:
            optimizer.zero_grad()
            loss = (net(x) - x[:, :2].sin()).square().mean()
            loss.backward()
            return loss

        loss = torch.as_tensor(optimizer.step(closure)).item()
        assert loss >= 0
        if scheduler:
            scheduler.step()
    return loss


def flat(net: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach()


@pytest.mark.parametrize("rule", RULES)
def test_a_loop_of_ones_own_is_a_slot_of_a_population(rule: str) -> None:
    net = model()
    optimizer = as_torch_optimizer(rule, net.parameters(), lr=0.01)
    scheduler = schedules.as_torch_scheduler("cosine", optimizer, 10, warmup=0.2)
    train(net, optimizer, range(10), scheduler)

    slot = model()
    start = flat(slot)
    made = optim.Population(1, optim.Layout.of([p.shape for p in slot.parameters()]), dtype=torch.float64)
    hypers = {**cases.defaults(rule), "lr": 0.01}
    factor = schedules.get("cosine")
    made.fill(0, rule, hypers, start, schedule=lambda steps: {"lr": 0.01 * factor(steps, 10, warmup=0.2)})

    def evaluate(step: int) -> torch.Tensor:
        nn.utils.vector_to_parameters(made.params[0].clone(), slot.parameters())
        loss = train(slot, torch.optim.SGD(slot.parameters(), lr=0.0), range(step, step + 1))
        made.grads[0] = torch.cat([p.grad.flatten() for p in slot.parameters()])
        return torch.tensor([loss], dtype=torch.float64)

    for step in range(10):
        evaluate(step)
        made.step(evaluate=lambda slots, step=step: evaluate(step))
    torch.testing.assert_close(flat(net), made.params[0], rtol=1e-12, atol=1e-14)
    assert not torch.equal(flat(net), start)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("clone", ["state_dict", "pickle", "deepcopy"])
def test_stopped_and_resumed_is_uninterrupted(rule: str, clone: str) -> None:
    through, stopped = model(), model()
    train(through, as_torch_optimizer(rule, through.parameters(), lr=0.01), range(8))
    first = as_torch_optimizer(rule, stopped.parameters(), lr=0.01)
    train(stopped, first, range(3))
    if clone == "state_dict":
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        file.seek(0)
        resumed, second = copy.deepcopy(stopped), None
        second = as_torch_optimizer(rule, resumed.parameters(), lr=0.5)
        second.load_state_dict(torch.load(file, weights_only=True))
    elif clone == "pickle":
        resumed, second = pickle.loads(pickle.dumps((stopped, first)))  # noqa: S301 - made here
    else:
        resumed, second = copy.deepcopy((stopped, first))
    train(resumed, second, range(3, 8))
    assert torch.equal(flat(resumed), flat(through))


def test_groups_have_hypers_of_their_own() -> None:
    a, b = (torch.zeros(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    groups = [{"params": [a]}, {"params": [b], "lr": 0.5, "one_minus_momentum": 0.25}]
    optimizer = as_torch_optimizer("momentum", groups, lr=0.1, momentum=0.5)
    for _ in range(2):
        a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
        optimizer.step()
    torch.testing.assert_close(a.detach(), torch.full_like(a, -0.1 * (1 + 1.5)))
    torch.testing.assert_close(b.detach(), torch.full_like(b, -0.5 * (1 + 1.75)))


def test_parameters_without_gradients_are_left_alone() -> None:
    seen, frozen = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = as_torch_optimizer("adamw", [seen, frozen], weight_decay=0.5)
    seen.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(frozen, torch.ones(2))
    assert not torch.equal(seen, torch.ones(2))
    assert frozen not in optimizer.state


@pytest.mark.parametrize("rule", RULES)
def test_wrong_hypers_are_refused(rule: str) -> None:
    w = torch.zeros(2, requires_grad=True)
    with pytest.raises(HyperError, match=rf"^{rule}\.lr: expected > 0, got -1"):
        as_torch_optimizer(rule, [w], lr=-1)
    with pytest.raises(HyperError, match=rf"^{rule}\.lr: expected > 0, got 0"):
        as_torch_optimizer(rule, [{"params": [w], "lr": 0}])
    with pytest.raises(UsageError, match=f"{rule} has no hyperparameter 'rate'"):
        as_torch_optimizer(rule, [w], rate=1.0)


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(as_torch).attempted >= 4
    assert doctest.testmod(as_torch).failed == 0
