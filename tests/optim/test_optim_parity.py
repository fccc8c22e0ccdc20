"""Every rule that names its counterpart in torch.optim makes the same steps, in parameters and in state."""

from __future__ import annotations

from collections.abc import Iterator

import optim_cases as cases
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner import optim

EQUIVALENT = [name for name in optim.names() if optim.get(name).torch_equivalent]
STEPS = 50


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, what: str) -> None:
    """To ten digits of the largest entry."""
    torch.testing.assert_close(
        ours, theirs, rtol=0, atol=1e-10 * float(theirs.abs().max()), msg=lambda m: f"{what}: {m}"
    )


@pytest.fixture(scope="module", autouse=True)
def counters_in_float64() -> Iterator[None]:
    """torch keeps step counts and NAdam's product of momenta in the default type, which would cost digits."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("name", EQUIVALENT)
@settings(max_examples=15)
@given(data=st.data())
def test_same_steps_as_torch(name: str, data: st.DataObject) -> None:
    rule = optim.get(name)
    twin = rule.torch_equivalent
    assert twin is not None
    chosen = data.draw(cases.hypers(name))
    gradient = cases.gradient(data.draw(st.integers(0, 1000)), name)
    rates = cases.falling(chosen["lr"])(torch.arange(STEPS, dtype=torch.float64))["lr"]

    ours = optim.Population(1, cases.SIZE, dtype=torch.float64)
    cases.fill(ours, 0, name, chosen)
    w = cases.start().requires_grad_()
    theirs = getattr(torch.optim, twin.optimizer)([w], **twin.keywords(chosen))
    for step in range(STEPS):
        cases.advance(ours, {0: gradient}, range(step, step + 1))
        w.grad = gradient(step, w.detach())
        theirs.param_groups[0]["lr"] = float(rates[step])
        theirs.step(lambda: torch.zeros(()))
        assert_close(ours.params[0], w.detach(), f"parameters after step {step + 1}")
    row = {key.removeprefix("state."): tensor for key, tensor in cases.row(ours, 0).items()}
    for key, read in twin.state.items():
        assert_close(read(row, chosen).flatten(), torch.as_tensor(theirs.state[w][key]).double().flatten(), key)
