"""What README shows is what works: its spec, its workload, its error message, its commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tuner import spec, wiring
from tuner.cli.app import app
from tuner.errors import SpecError

README = Path("README.md").read_text(encoding="utf-8")


def block(language, number=0):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[number]


def test_the_sweep_is_a_valid_one():
    prepared = wiring.prepare(spec.parse(block("yaml"), "sweep.yaml"))
    assert prepared.budget.trials == 60


def test_the_error_message_is_the_real_one():
    wrong = block("yaml").replace("lr: {log: [1e-4, 1e-1]}, weight_decay", "lr: -0.1, weight_decay")
    shown = re.search(r"error: (.*adamw\.lr.*)", README).group(1)
    with pytest.raises(SpecError) as raised:
        spec.parse(wrong, "sweep.yaml")
    assert str(raised.value) == shown


def test_the_workload_is_the_example_and_short():
    shown = block("python").strip()
    assert shown == Path("examples/spiral.py").read_text(encoding="utf-8").strip()
    assert len(shown.splitlines()) <= 30


def test_every_command_shown_exists():
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    shown = set(re.findall(r"^tuner ([a-z]+)", README, re.MULTILINE))
    assert len(shown) > 8
    assert shown <= known


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert Path(target).exists(), target
