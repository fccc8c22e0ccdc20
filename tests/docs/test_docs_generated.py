"""The committed documents are what the registries say, whole and small."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tuner import optim, schedules, space
from tuner.reference.__main__ import write
from tuner.reference.documents import COMMAND, documents

DOCS = Path("docs")
MADE = documents()


@pytest.mark.parametrize("path", MADE)
def test_the_committed_file_is_what_the_generator_makes(path: str) -> None:
    committed = DOCS / path
    assert committed.exists(), f"run `{COMMAND}` and commit docs/{path}"
    assert committed.read_text(encoding="utf-8") == MADE[path], f"run `{COMMAND}` and commit docs/{path}"


def test_no_picture_is_left_over() -> None:
    assert {str(picture.relative_to(DOCS)) for picture in DOCS.glob("schedules/*")} <= set(MADE), f"run `{COMMAND}`"


def test_a_second_run_changes_no_byte_and_removes_old_pictures(tmp_path) -> None:
    (tmp_path / "schedules").mkdir()
    (tmp_path / "schedules" / "gone.svg").write_text("<svg/>")
    write(tmp_path)
    made = {str(file.relative_to(tmp_path)): file for file in tmp_path.rglob("*.*")}
    assert made.keys() == MADE.keys()
    assert all(file.read_text(encoding="utf-8") == MADE[path] for path, file in made.items())


@pytest.mark.parametrize("path", [path for path in MADE if path.endswith(".svg")])
def test_pictures_are_small_and_well_formed(path: str) -> None:
    assert len(MADE[path].encode()) < 15_000
    assert ET.fromstring(MADE[path]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314


@pytest.mark.parametrize(
    ("path", "names"),
    [("optimizers.md", optim.names()), ("schedules.md", schedules.names()), ("spaces.md", space.names())],
)
def test_every_entry_has_its_section(path: str, names: list[str]) -> None:
    assert re.findall(r"^## (.+)$", MADE[path], re.MULTILINE) == list(names)


@pytest.mark.parametrize("path", [path for path in MADE if path.endswith(".md")])
def test_markdown_is_sound(path: str) -> None:
    text = MADE[path]
    assert ":math:" not in text
    assert "\n.. " not in text
    assert "``" not in text.replace("```", "")
    assert text.count("$$") % 2 == 0
    assert r"\frac" not in re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.DOTALL)
    for target in re.findall(r"\]\((?!#)([^)]+)\)", text):
        assert target in MADE
    for line in (line for line in text.splitlines() if line.startswith("| ")):
        assert line.endswith(" |")


def test_every_hyperparameter_is_in_its_table() -> None:
    sections = re.split(r"^## ", MADE["optimizers.md"], flags=re.MULTILINE)[1:]
    for section in sections:
        rule = optim.get(section.splitlines()[0])
        assert re.findall(r"^\| (\w+) \|", section, re.MULTILINE)[1:] == list(rule.hypers)
        assert rule.doc.split(":")[0].split("`")[0] in section
