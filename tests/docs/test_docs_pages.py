"""Docstrings of rules and schedules as a terminal and as Markdown show them."""

from __future__ import annotations

import pytest

from tuner import optim, schedules
from tuner.hyper import Hyper, choice, log
from tuner.reference.hypers import rows
from tuner.reference.page import markdown, terminal
from tuner.reference.presets import described

PAGE = r"""A short first line.

.. math::
    m &= \beta m + g \\
    w &= w - m

A sentence with :math:`\beta
< 1` and ``eps``, long enough to be broken where the line ends:

- one thing
- another,
  in two lines

.. math:: w = 0

    v = 1

>>> 1 + 1
2
"""


def test_markdown() -> None:
    assert (
        markdown(PAGE)
        == r"""A short first line.

$$
\begin{aligned}
m &= \beta m + g \\
w &= w - m
\end{aligned}
$$

A sentence with $\beta < 1$ and `eps`, long enough to be broken where the line ends:

- one thing

- another,
  in two lines

$$
w = 0
$$

$$
v = 1
$$

```python
>>> 1 + 1
2
```"""
    )


def test_terminal() -> None:
    assert (
        terminal(PAGE, 40)
        == r"""A short first line.

    m &= \beta m + g \\
    w &= w - m

A sentence with \beta < 1 and eps, long
enough to be broken where the line ends:

- one thing

- another, in two lines

    w = 0

    v = 1

    >>> 1 + 1
    2"""
    )


@pytest.mark.parametrize("entry", [*optim.registry.values(), *schedules.registry.values()], ids=lambda e: e.name)
def test_no_markup_of_a_real_page_is_left(entry) -> None:
    shown = terminal(entry.page, 80)
    assert not any(mark in shown for mark in (":math:", "``", ".. math"))
    assert any(line.startswith("    ") for line in shown.splitlines()), "a page has a formula"


def test_hyperparameters_in_words() -> None:
    hypers = {
        "beta": Hyper(default=0.9, low=0, high=1, high_open=True, search=log(0.01, 0.5), one_minus=True, doc="decay"),
        "mode": Hyper(default=None, nullable=True, choices=("a", "b"), search=choice("a", None), doc="which"),
        "n": Hyper(default=3, low=1, integer=True, doc="how many"),
    }
    assert rows(hypers) == [
        ("beta", "0.9", "in [0, 1)", "one_minus_beta: log 0.01 to 0.5", "decay"),
        ("mode", "null", "one of 'a', 'b' or null", "one of a, null", "which"),
        ("n", "3", "a whole number >= 1", "-", "how many"),
    ]


def test_presets_in_words() -> None:
    space = {
        "optimizer": {
            "adam": {"lr": {"normal": [-2.7, 1.4], "log10": True}, "beta1": "search", "eps": {"fixed": 1e-8}},
            "sgd": {},
        },
        "schedule": {"linear": {"final": {"choice": [0.1, None]}, "warmup": {"uniform": [0, 0.1], "step": 0.05}}},
        "clip_norm": {"fixed": 1.0},
        "workload": {"width": {"int": [8, 64], "log": True}},
    }
    assert described(space)[1] == [
        ("adam.lr", "10 to the power of normal, mean -2.7, sd 1.4"),
        ("adam.beta1", "its default range"),
        ("adam.eps", "1e-08"),
        ("sgd", "all of its default ranges"),
        ("linear.final", "one of 0.1, null"),
        ("linear.warmup", "uniform 0 to 0.1, step 0.05"),
        ("clip_norm", "1"),
        ("width", "int 8 to 64, log true"),
    ]
    listed = [{"optimizer": {"sgd": {"lr": {"fixed": 1 / 3}}}}, {"optimizer": {"adam": {"lr": {"fixed": 1}}}}]
    assert described({"configurations": listed}) == (
        ("", "sgd.lr", "adam.lr"),
        [("1", "0.333333", ""), ("2", "", "1")],
    )
