"""What the tests of the optimizer core share: hypers drawn from each rule's own declaration, gradients, runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from tuner import optim
from tuner.hyper import ONE_MINUS, Hyper, complete
from tuner.optim import Layout, Population
from tuner.trial import Value

LAYOUT = Layout.of([(3, 2), (2,), (0,), (2, 1, 2, 1), ()])
SIZE = LAYOUT.size
Gradient = Callable[[int, Tensor], Tensor]
"""(step, parameters [P]) -> gradient [P]."""


def values(hyper: Hyper) -> st.SearchStrategy[Value]:
    """Values from the search range, or from the domain where there is none."""
    search = hyper.search
    if search is None:
        return st.floats(hyper.low, min(hyper.high, 1.0), exclude_min=hyper.low_open, exclude_max=hyper.high_open)
    return {
        "uniform": lambda: st.floats(search.low, search.high),
        "log": lambda: st.floats(math.log(search.low), math.log(search.high)).map(math.exp),
        "int": lambda: st.integers(int(search.low), int(search.high)),
        "choice": lambda: st.sampled_from(search.choices),
    }[search.kind]()


def hypers(rule: str) -> st.SearchStrategy[dict[str, Value]]:
    """Completed hypers of a rule."""
    declared = optim.get(rule).hypers
    drawn = {ONE_MINUS + name if h.one_minus else name: values(h) for name, h in declared.items()}
    return st.fixed_dictionaries(drawn).map(lambda given: complete(rule, declared, given))


def defaults(rule: str) -> dict[str, Value]:
    return complete(rule, optim.get(rule).hypers, {})


def falling(base: Value) -> Callable[[Tensor], Mapping[str, Tensor]]:
    """A rate that falls slowly, so that a rule which looks at the wrong step is seen."""
    return lambda steps: {"lr": base * 50.0 / (50.0 + steps)}


def rate_at(rule: str, step: int) -> float:
    """The rate of ``falling`` at one step, from the rule's default."""
    return float(falling(defaults(rule)["lr"])(torch.tensor(step, dtype=torch.float64))["lr"])


def gradient(seed: int, rule: str = "") -> Gradient:
    """Random gradients; for a rule that builds a model of the function, those of a valley without noise."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(400, SIZE, generator=generator, dtype=torch.float64)
    if rule and optim.get(rule).coupled:
        steepness = torch.logspace(0, 1, SIZE, dtype=torch.float64)
        return lambda step, w: steepness * w
    return lambda step, w: noise[step]


def start(seed: int = 0) -> Tensor:
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fill(population: Population, slot: int, rule: str, chosen: Mapping[str, Value] | None = None, **more: Any) -> None:
    chosen = defaults(rule) if chosen is None else chosen
    population.fill(slot, rule, chosen, start(), schedule=falling(chosen["lr"]), **more)


def population(*rules: str) -> Population:
    """A slot for each rule, filled with its defaults."""
    made = Population(len(rules), LAYOUT, dtype=torch.float64)
    for slot, rule in enumerate(rules):
        fill(made, slot, rule)
    return made


def advance(made: Population, gradients: Mapping[int, Gradient], steps: range, active: Tensor | None = None) -> None:
    """Step with the gradient of each slot at each of ``steps``."""
    for step in steps:
        evaluate = functools.partial(_evaluate, made, gradients, step)
        evaluate(gradients)
        made.step(active, evaluate)


def _evaluate(made: Population, gradients: Mapping[int, Gradient], step: int, slots: Iterable[int]) -> Tensor:
    """Gradients of some slots where they are now, and losses: those of a valley, which is all that are asked for."""
    for slot in gradients.keys() & slots:
        made.grads[slot] = gradients[slot](step, made.params[slot])
    return torch.tensor(
        [float((made.params[slot] * made.grads[slot]).sum()) / 2 for slot in slots], dtype=torch.float64
    )


def row(made: Population, slot: int) -> dict[str, Tensor]:
    """Everything there is to know of a slot."""
    return made.save(slot)


def assert_same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> None:
    """Bit for bit, NaN included."""
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=0, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}")
