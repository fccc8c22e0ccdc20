"""The tables of faults and of attacks name tests that exist, and nothing goes without one."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def test_every_fault_names_tests_that_exist(page: str) -> None:
    lines = (TESTS.parent / "docs" / page).read_text().splitlines()
    heads = {line for line, below in pairwise(lines) if below.startswith("|---")}
    rows = [line.split(" | ") for line in lines if line.startswith("| ") and line not in heads]
    assert len(rows) > 10
    for fault, *_, tests in rows:
        named = re.findall(r"`([\w/]+(?:\.py|/))`", tests)
        assert named or tests.startswith("the same"), fault
        for name in named:
            assert (TESTS / name).exists(), name
