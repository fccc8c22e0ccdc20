"""What is wrong with a file, gathered whole before anything is said: one problem a line, in the file's own order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuner.errors import SpecError

Path = tuple[str | int, ...]

# Nobody reads further, and a hostile file must not fill the screen.
MOST_LISTED = 40
LONGEST_TEXT = 2000
LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Source:
    """Where plain data was read: a name for people and the 1-based line of every key and item.

    Two sources always compare equal: where a value was written is no part of what it says.
    """

    name: str = field(compare=False)
    lines: Mapping[Path, int] = field(default_factory=dict, compare=False)

    def line(self, path: Path) -> int | None:
        """The line of ``path``, or of the nearest thing around it that has one."""
        return next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)

    def place(self, path: Path) -> str:
        """``sweep.yaml:14``, or the name alone where no line is known."""
        line = self.line(path)
        return self.name if line is None else f"{self.name}:{line}"


class Problems:
    """Problems found so far, by path; all of them become one SpecError."""

    def __init__(self) -> None:
        self._found: dict[Path, list[str]] = {}

    def add(self, path: Path, text: str) -> None:
        """Note that ``text`` (``expected > 0, got -1``) is wrong at ``path``."""
        self._found.setdefault(path, []).append(_shown(text, LONGEST_TEXT))

    def raise_any(self, source: Source) -> None:
        """Raise the error where there is a problem."""
        if self._found:
            raise self.error(source)

    def error(self, source: Source) -> SpecError:
        """Every problem, one a line, in line order."""
        ordered = sorted(self._found.items(), key=lambda item: source.line(item[0]) or 0)
        texts = [f"{dotted(path)}{text} ({source.place(path)})" for path, all_of in ordered for text in all_of]
        hidden = len(texts) - MOST_LISTED
        return SpecError("\n".join(texts[:MOST_LISTED]) + (f"\nand {hidden} more" if hidden > 0 else ""))


def dotted(path: Path) -> str:
    """``space.optimizer.adamw.lr: ``, with list positions as ``objective[1]``; empty for the whole file."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_shown(part, LONGEST_VALUE)}" for part in path)
    return f"{text.removeprefix('.')}: " if text else ""


def brief(value: object) -> str:
    """``value`` for a message: YAML's words for null, true and false, and never longer than a line."""
    words = {
        type(None): "null",
        bool: str(value).lower(),
        dict: "a mapping",
        list: "a list" if value else "an empty list",
    }
    return words.get(type(value)) or _shown(repr(value), LONGEST_VALUE)


def _shown(text: str, most: int) -> str:
    """``text`` on one line of at most ``most`` characters, control characters written as escapes."""
    cut = text if len(text) <= most else text[: most - 3] + "..."
    return cut if cut.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)
