"""Every rule without a counterpart in torch.optim does what its paper says, written down here once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import optim_cases as cases
import pytest
import test_optim_papers2
import test_optim_structured
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner import optim

Array = np.ndarray
Paper = Callable[[dict[str, float], Array], Iterator[Array]]
"""A coroutine: takes hypers (lr: that of the step) and the parameters, is sent gradients, yields parameters."""


def momentum_ema(h, w):
    m = 0.0
    while True:
        g = (yield w) + h["l2"] * w
        m = h["momentum"] * m + (1 - h["momentum"]) * g
        w = w - h["lr"] * m


def adabelief(h, w):
    m = s = 0.0
    t = 0
    while True:
        g = yield w
        t += 1
        m = h["beta1"] * m + (1 - h["beta1"]) * g
        s = h["beta2"] * s + (1 - h["beta2"]) * (g - m) ** 2 + h["eps"]
        m_hat, s_hat = m / (1 - h["beta1"] ** t), s / (1 - h["beta2"] ** t)
        w = w - h["lr"] * h["weight_decay"] * w - h["lr"] * m_hat / (np.sqrt(s_hat) + h["eps"])


def lion(h, w):
    m = 0.0
    while True:
        g = yield w
        u = np.sign(h["beta1"] * m + (1 - h["beta1"]) * g)
        m = h["beta2"] * m + (1 - h["beta2"]) * g
        w = w - h["lr"] * (u + h["weight_decay"] * w)


def signsgd(h, w):
    m = 0.0
    while True:
        g = (yield w) + h["l2"] * w
        m = h["momentum"] * m + (1 - h["momentum"]) * g
        w = w - h["lr"] * np.sign(m)


PAPERS: dict[str, Paper] = {
    "momentum-ema": momentum_ema,
    "adabelief": adabelief,
    "lion": lion,
    "signsgd": signsgd,
}


def test_every_rule_is_checked_against_torch_or_a_paper() -> None:
    elsewhere = {**test_optim_papers2.PAPERS, **test_optim_structured.PAPERS}
    assert {*PAPERS, *elsewhere} == {name for name in optim.names() if optim.get(name).torch_equivalent is None}


@pytest.mark.parametrize("name", sorted(PAPERS))
@settings(max_examples=15)
@given(data=st.data())
def test_same_steps_as_the_paper(name: str, data: st.DataObject) -> None:
    chosen = data.draw(cases.hypers(name))
    gradient = cases.gradient(data.draw(st.integers(0, 1000)))
    rates = cases.falling(chosen["lr"])(torch.arange(50, dtype=torch.float64))["lr"]
    ours = optim.Population(1, cases.SIZE, dtype=torch.float64)
    cases.fill(ours, 0, name, chosen)
    h = dict(chosen)
    paper = PAPERS[name](h, cases.start().numpy())
    next(paper)
    for step in range(50):
        cases.advance(ours, {0: gradient}, range(step, step + 1))
        h["lr"] = float(rates[step])
        expected = paper.send(gradient(step, torch.empty(0)).numpy())
        np.testing.assert_allclose(ours.params[0], expected, rtol=1e-10, atol=1e-10)
