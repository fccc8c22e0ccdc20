"""Every rule that names its counterpart in torch.optim makes the same steps, in parameters and in state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import optim_cases as cases
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner import optim

EQUIVALENT = [name for name in optim.names() if optim.get(name).torch_equivalent]
STEPS = 50


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, what: str, digits: int = 10) -> None:
    """To so many digits of the largest entry."""
    torch.testing.assert_close(
        ours, theirs, rtol=0, atol=10.0**-digits * float(theirs.abs().max()), msg=lambda m: f"{what}: {m}"
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

    ours = optim.Population(1, cases.LAYOUT, dtype=torch.float64)
    cases.fill(ours, 0, name, chosen)
    start = cases.start()
    ws = [start[p.start : p.stop].reshape(p.shape) for p in cases.LAYOUT.parts] if rule.structured else [start]
    theirs = getattr(torch.optim, twin.optimizer)([w.requires_grad_() for w in ws], **twin.keywords(chosen))

    def flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
        return torch.cat([torch.as_tensor(tensor).detach().double().reshape(-1) for tensor in tensors])

    def closure() -> torch.Tensor:
        """The gradient, and the loss of a valley (only a rule that is given one asks for it)."""
        at = flat(ws)
        slope = gradient(step, at)
        for w, g in zip(ws, slope.split([w.numel() for w in ws]), strict=True):
            w.grad = g.view_as(w)
        return (at @ slope) / 2

    for step in range(STEPS):
        cases.advance(ours, {0: gradient}, range(step, step + 1))
        theirs.param_groups[0]["lr"] = float(rates[step])
        theirs.step(closure)
        assert_close(ours.params[0], flat(ws), f"parameters after step {step + 1}")
    row = {key.removeprefix("state."): tensor for key, tensor in cases.row(ours, 0).items()}
    digits = 8 if rule.coupled else 10  # near the minimum, differences of gradients lose some
    for key, read in twin.state.items():
        theirs_flat = flat(s[key] for w in ws if key in (s := theirs.state[w]))
        assert_close(read(row, chosen).flatten(), theirs_flat, key, digits)
