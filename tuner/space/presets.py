"""Published search spaces by name. A preset is one YAML file of ``search_spaces/``: its source, notes, and a draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from tuner.errors import UnknownNameError
from tuner.space import document
from tuner.space.draft import Draft, read
from tuner.space.problems import Problems


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A published space: ``source`` cites it, ``notes`` say what to know first, ``text`` is the file itself.

    ``space`` is the draft as plain data, every range written out.
    """

    name: str
    source: str
    notes: str
    space: Mapping[str, object]
    text: str


@cache
def names() -> tuple[str, ...]:
    """Every preset, sorted."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml")))


@cache
def preset(name: str) -> Preset:
    """The preset called ``name``. Raises UnknownNameError with the nearest one."""
    if name not in names():
        raise UnknownNameError("search space", name, names())
    text = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    read_text = document.parse(text, f"{name}.yaml")
    data = read_text.data if isinstance(read_text.data, dict) else {}
    problems = Problems()
    if set(data) != {"source", "notes", "space"}:
        problems.add((), "expected the keys source, notes and space")
    draft = read(data.get("space"), draft_of, problems, ("space",))
    problems.raise_any(read_text.source)
    return Preset(name=name, source=str(data["source"]), notes=str(data["notes"]), space=draft.form(), text=text)


def draft_of(name: str) -> Draft:
    """The draft of the preset called ``name``, as ``read`` asks for it. Raises UnknownNameError."""
    return read(preset(name).space, draft_of, Problems())


def _folder() -> Traversable:
    try:
        return resources.files("tuner.search_spaces")
    except ModuleNotFoundError:  # a checkout on the path that nobody installed
        return Path(__file__).parents[2] / "search_spaces"
