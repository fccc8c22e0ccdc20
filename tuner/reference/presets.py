"""What a preset holds, as a table: a row for each parameter and its range, or for each listed configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.hyper import AROUND
from tuner.reference.hypers import text

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
_WORDS = {"search": "its default range"}


def described(space: Mapping[str, Any]) -> Table:
    """Headings and rows for a preset's ``space``, a draft as plain data."""
    listed: Sequence[Mapping[str, Any]] = space.get("configurations", ())
    if not listed:
        return ("parameter", "values"), list(_flat(space).items())
    cells = [_flat(one) for one in listed]
    names = list(dict.fromkeys(name for one in cells for name in one))
    return ("", *names), [(str(n), *(one.get(name, "") for name in names)) for n, one in enumerate(cells, start=1)]


def _flat(space: Mapping[str, Any]) -> dict[str, str]:
    """Every parameter by its flat name, in words."""
    found: dict[str, str] = {}
    for branch in ("optimizer", "schedule"):
        for entry, group in space.get(branch, {}).items():
            found |= {f"{entry}.{key}": _values(value) for key, value in group.items()}
            if not group:
                found[entry] = "all of its default ranges"
    found |= {key: _values(space[key]) for key in AROUND if key in space}
    for section in ("workload", "optional"):
        found |= {key: _values(value) for key, value in space.get(section, {}).items()}
    return found


def _values(written: object) -> str:
    """One parameter's range or value as a draft writes it."""
    if not isinstance(written, Mapping):
        return _WORDS.get(str(written), text(written))
    kind, value = next(iter(written.items()))
    extra = "".join(f", {key} {str(option).lower()}" for key, option in list(written.items())[1:])
    if kind == "fixed":
        return text(value)
    if kind == "choice":
        return "one of " + ", ".join(map(text, value))
    if kind == "normal":
        ten = "10 to the power of " if written.get("log10") else ""
        return f"{ten}normal, mean {value[0]:g}, sd {value[1]:g}"
    return f"{kind} {value[0]:g} to {value[1]:g}{extra}"
