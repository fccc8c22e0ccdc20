"""Twenty thousand broken specs: a message with a place, at once, and never a traceback."""

from __future__ import annotations

import pytest
import yaml
from bad_specs import SOUND, judge, specs, told
from hypothesis import HealthCheck, given, seed, settings


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("specs") / "bad.yaml"
    file.write_text(yaml.safe_dump(SOUND[0]))
    told(file)  # what is imported once is no spec's fault
    return file


@pytest.mark.timeout(3600)
@seed(0)
@settings(max_examples=20_000, suppress_health_check=list(HealthCheck), derandomize=False, database=None)
@given(raw=specs())
def test_broken_specs_are_refused_with_a_place(raw, path):
    judge(raw, path)
