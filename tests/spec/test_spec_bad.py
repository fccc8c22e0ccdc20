"""Sound specs with something broken in them: a message with a place, at once, and never a traceback."""

from __future__ import annotations

import pytest
import yaml
from bad_specs import SOUND, judge, specs, told
from hypothesis import HealthCheck, given, settings


@pytest.mark.parametrize("number", range(len(SOUND)))
def test_what_is_broken_was_sound(number, tmp_path):
    path = tmp_path / "sound.yaml"
    path.write_text(yaml.safe_dump(SOUND[number], sort_keys=False))
    assert told(path)[:2] == (0, "")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("specs") / "bad.yaml"
    file.write_text(yaml.safe_dump(SOUND[0]))
    told(file)  # what is imported once is no spec's fault
    return file


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(raw=specs())
def test_a_broken_spec_is_refused_with_a_place(raw, path):
    judge(raw, path)
