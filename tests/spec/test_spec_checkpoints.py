"""How often a spec wants checkpoints, and what becomes of that."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tuner import spec, wiring
from tuner.errors import SpecError
from tuner.training import Checkpoints

SPEC = "workload: noisy-quadratic\nobjective: loss\nbudget: {trials: 6}\nexecutor: {name: inline%s}\n"


def checkpoints(option: str) -> Checkpoints:
    parsed = spec.parse(SPEC % option, "s.yaml")
    return wiring._setup(wiring.prepare(parsed), parsed.executor, (Path("/out"), "1f"), workers=1).checkpoints


@pytest.mark.parametrize(
    ("option", "seconds"),
    [
        ("", 60.0),
        (", checkpoint_every: 5", 5.0),
        (", checkpoint_every: 10m", 600.0),
        (", checkpoint_every: null", math.inf),
        (", checkpoint_every: 0", math.inf),
    ],
)
def test_states_are_kept_as_often_as_the_spec_says(option: str, seconds: float) -> None:
    assert checkpoints(option) == Checkpoints(every=seconds, output="/out", key="1f")


def test_an_interval_is_not_negative() -> None:
    with pytest.raises(SpecError, match=r"checkpoint_every.*-1"):
        checkpoints(", checkpoint_every: -1")
