"""Every preset loads, says where it comes from, and is valid against the optimizers and schedules that there are."""

from __future__ import annotations

import re

import pytest

from tuner import optim, schedules, space
from tuner.errors import UnknownNameError
from tuner.hyper import Hyper
from tuner.space import Choice, Fixed, Log, Problems, Source, Space

OPTIMIZERS = {name: optim.get(name).hypers for name in optim.names()}
SCHEDULES = {name: schedules.get(name).hypers for name in schedules.names()}
SMOOTHING = {"label_smoothing": Hyper(default=0.0, low=0, high=1, doc="share")}


def build(name: str, workload: dict[str, Hyper]) -> Space:
    built = space.build(
        space.draft_of(name),
        optimizers=OPTIMIZERS,
        schedules=SCHEDULES,
        workload=workload,
        problems=(problems := Problems()),
    )
    problems.raise_any(Source(name))
    return built


@pytest.mark.parametrize("name", space.names())
def test_a_preset_is_cited_and_valid(name: str) -> None:
    preset = space.preset(name)
    assert name == "default" or re.search(r"\b(19|20)\d\d\b", preset.source), "cite author and year"
    assert preset.notes
    assert preset.text.startswith("source:")
    assert build(name, {}).distributions()


def test_the_presets_that_there_are() -> None:
    families = {"algoperf-adamw", "algoperf-nadamw", "algoperf-momentum", "algoperf-nesterov", "default"}
    assert families | {f"playbook-{size}" for size in ("small", "medium", "large")} <= set(space.names())


def test_published_numbers_are_as_published() -> None:
    adamw = build("algoperf-adamw", SMOOTHING)
    assert adamw.distributions() == {
        "adamw.lr": Log(1e-4, 1e-2),
        "adamw.one_minus_beta1": Log(2e-2, 0.5),
        "adamw.weight_decay": Log(5e-3, 1.0),
        "label_smoothing": Choice((0.1, 0.2)),
    }
    assert adamw.branches[1].options["cosine"]["cosine.warmup"] == Fixed(0.05)


def test_the_playbook_adds_hyperparameters_with_the_budget() -> None:
    small, medium, large = (set(build(f"playbook-{size}", {}).distributions()) for size in ("small", "medium", "large"))
    assert small == {"adam.lr"}
    assert medium - small == {"adam.one_minus_beta1"}
    assert large - medium == {"adam.eps"}


def test_an_unknown_preset_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'algoperf-adamw'"):
        space.preset("algoperf-adam")
