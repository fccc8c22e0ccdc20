"""YAML as tuner reads it: plain data, with the line of every key kept for error messages.

It is the core schema of YAML 1.2 (``1e-4`` is a number, ``no`` is a word) without aliases, tags or second documents,
and bounded in size, depth and number of values, so that a hostile file is refused quickly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import yaml

from tuner.errors import SpecError
from tuner.space.problems import Path, Problems, Source, brief

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 10_000

Plain = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None

_WORDS = {
    word: value
    for value, spellings in ((None, ("", "~", "null")), (True, ("true",)), (False, ("false",)))
    for spelling in spellings
    for word in (spelling, spelling.capitalize(), spelling.upper())
}
# Longer whole numbers are read as floats: neither JSON readers nor a database would keep them.
_INT_DIGITS = 18
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)

# The same grammar ten times faster, where PyYAML was built with libyaml (its wheels are).
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, as plain data, and where it says it."""

    data: Plain
    source: Source


def read_file(path: str | File) -> str:
    """The text of a file. Raises SpecError where there is none to read, it is too large or it is not UTF-8."""
    file = File(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError(f"{file}: no such file") from None
    except IsADirectoryError:
        raise SpecError(f"{file}: expected a file, got a folder") from None
    except (OSError, ValueError) as error:
        raise SpecError(f"{file}: cannot be read ({error})") from None
    try:
        # Cut at the size limit, a file may end inside a character; `parse` refuses it for its size.
        return raw.decode("utf-8-sig", errors="strict" if len(raw) <= MAX_BYTES else "ignore")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecError(f"expected a text file in UTF-8, got other bytes ({file.name}:{line})") from None


def parse(text: str, name: str) -> Document:
    """Read one YAML document; ``name`` stands for it in messages.

    Raises SpecError for text that is not such YAML, all problems listed where reading could go on.
    """
    if len(text.encode("utf-8", errors="replace")) > MAX_BYTES:
        raise SpecError(f"expected at most 1 MiB of text ({name})")
    reader = _Reader(text, name)
    try:
        data = reader.document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"not valid YAML: {error.problem} ({name}:{line})") from None
    except yaml.YAMLError as error:
        raise SpecError(f"not valid YAML: {str(error).splitlines()[0]} ({name})") from None
    except UnicodeEncodeError:
        raise SpecError(f"expected text that UTF-8 can hold ({name})") from None
    source = Source(name, reader.lines)
    reader.problems.raise_any(source)
    return Document(data, source)


def copy_plain(data: object, name: str) -> Plain:
    """``data`` held to what a document can say; ``name`` stands for it in messages.

    Raises SpecError for anything but mappings with text keys, lists, text, finite numbers, true, false and null.
    """
    problems = Problems()
    copied = _copied(data, (), problems)
    problems.raise_any(Source(name))
    return copied


def _copied(data: object, path: Path, problems: Problems) -> Plain:
    match data:
        case None | bool() | str():
            return data
        case int() if abs(data) < 10**_INT_DIGITS:
            return data
        case float() if math.isfinite(data):
            return data
        case list() | tuple() if len(path) < MAX_DEPTH:
            return [_copied(value, (*path, n), problems) for n, value in enumerate(data)]
        case Mapping() if len(path) < MAX_DEPTH and all(isinstance(key, str) for key in data):
            return {key: _copied(value, (*path, key), problems) for key, value in data.items()}
    expected = (
        f"text, a finite number below 1e{_INT_DIGITS}, a list, or a mapping of text keys, {MAX_DEPTH} levels at most"
    )
    problems.add(path, f"expected {expected}; got {type(data).__name__}")
    return None


# Events are Any: PyYAML's published types know neither their anchors nor their tags.


class _Reader:
    """Builds plain data from the parser's events: recursion is bounded by MAX_DEPTH, and nothing is shared."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.lines: dict[Path, int] = {}
        self.problems = Problems()
        self._values = 0
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)

    def document(self) -> Plain:
        next(self._events)  # the stream begins
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        data = self._value(next(self._events), ())
        next(self._events)  # the document ends
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise SpecError(f"expected one YAML document, got a second ({self._place(after)})")
        return data

    def _value(self, event: Any, path: Path) -> Plain:
        self.lines.setdefault(path, _line(event))
        self._values += 1
        if self._values > MAX_VALUES:
            raise SpecError(f"expected at most {MAX_VALUES:,} values ({self._place(event)})")
        if len(path) > MAX_DEPTH:
            raise SpecError(f"expected at most {MAX_DEPTH} levels of nesting ({self._place(event)})")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise SpecError(f"expected no anchors (&) and aliases (*); write the value out ({self._place(event)})")
        if event.tag is not None:
            self.problems.add(path, f"expected no tag, got {brief(event.tag)}; write the value alone")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event, path)

    def _mapping(self, path: Path) -> dict[str, Plain]:
        found: dict[str, Plain] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            inner = (*path, key)
            if key in found:
                self.problems.add(inner, f"given twice, first on line {self.lines[inner]}")
            self.lines[inner] = _line(event)
            found[key] = self._value(next(self._events), inner)
        return found

    def _key(self, event: Any, path: Path) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise SpecError(f"expected a word as key, got a list or a mapping ({self._place(event)})")
        key = str(event.value)
        if not isinstance(self._scalar(event, path), str):
            self.lines[*path, key] = _line(event)
            self.problems.add((*path, key), f"expected a word as key, got {key or 'null'}; quote it if it is a name")
        return key

    def _sequence(self, path: Path) -> list[Plain]:
        found: list[Plain] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, (*path, len(found))))
        return found

    def _scalar(self, event: Any, path: Path) -> Plain:
        text = event.value
        if not event.implicit[0]:  # quoted: text whatever it looks like
            return str(text)
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text) and len(text) <= _INT_DIGITS:
            return int(text)
        if _NOT_FINITE.fullmatch(text) or (_FLOAT.fullmatch(text) and math.isinf(float(text))):
            self.problems.add(path, f"expected a finite number, got {brief(text)}")
            return None
        return float(text) if _FLOAT.fullmatch(text) else str(text)

    def _place(self, event: Any) -> str:
        return f"{self.name}:{_line(event)}"


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
