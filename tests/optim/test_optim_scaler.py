"""A rule in a mixed-precision loop: gradients are unscaled, and steps whose gradients overflowed are skipped."""

from __future__ import annotations

import pytest
import torch

from tuner.optim import as_torch_optimizer


@pytest.mark.parametrize("name", ["adamw", "lion", "muon"])
def test_a_scaled_loop_makes_the_same_steps(name):
    runs = []
    for scaled in (False, True):
        w = torch.arange(6.0).reshape(2, 3).requires_grad_()
        optimizer = as_torch_optimizer(name, [w], lr=0.05)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=scaled)
        for _ in range(5):
            optimizer.zero_grad()
            scaler.scale((w - 1).square().sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        runs.append(w.detach())
    torch.testing.assert_close(runs[0], runs[1])


def test_an_overflowed_step_is_skipped_and_the_scale_comes_down():
    w = torch.ones(3, requires_grad=True)
    optimizer = as_torch_optimizer("adam", [w], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    scaler.scale((w * torch.tensor([1.0, float("inf"), 1.0])).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(w.detach(), torch.ones(3))
    assert scaler.get_scale() == 2.0**9
