"""What a sweep was begun with, its spec, code and libraries, and how that differs from what it would go on with."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from tuner import spec as specs
from tuner import wiring
from tuner.spec import SweepSpec
from tuner.trial import Sweep

DIGEST = "sha256 of "
EDITED = ": the file has changed"
# Another machine of the same software trains the same trials: what tells machines apart is recorded, not compared.
COMPARED = {"python", *wiring.RECORDED_LIBRARIES}


def origin(spec: SweepSpec) -> dict[str, object]:
    """What a sweep of this spec runs on now, with the digest of each file of the user's own that it names."""
    return wiring.environment() | {DIGEST + file: _digest(file) for file in _files(spec)}


def changes(sweep: Sweep, spec: SweepSpec) -> list[str]:
    """How the recorded sweep differs from what would run now under its ``spec``, one difference a line."""
    now, dump = origin(spec), spec.dump()
    compared = [name for name in sweep.environment if name in COMPARED or name.startswith(DIGEST)]
    found = [
        f"{name.removeprefix(DIGEST)}{EDITED}"
        if name.startswith(DIGEST)
        else f"{name}: {sweep.environment[name]} -> {now.get(name)}"
        for name in compared
        if sweep.environment[name] != now.get(name)
    ]
    missing = "not there"
    return found + [
        f"spec, {name}: {sweep.spec.get(name, missing)} -> {dump.get(name, missing)}"
        for name in dict.fromkeys([*sweep.spec, *dump])
        if sweep.spec.get(name, missing) != dump.get(name, missing)
    ]


def is_other_code(change: str) -> bool:
    """Whether a change is one of the user's own code, or of tuner: a trial's state is of the code that made it."""
    return change.endswith(EDITED) or change.startswith("tuner: ")


def _files(spec: SweepSpec) -> list[str]:
    places: list[str] = []

    def note(ref: str) -> str:
        place, colon, _ = ref.rpartition(":")
        if colon:
            places.append(place if place.endswith(".py") else _module_file(place))
        return ref

    specs.with_references(spec, note)
    return sorted(set(places))


def _module_file(name: str) -> str:
    found = importlib.util.find_spec(name)
    return (found and found.origin) or name


def _digest(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:  # it was there a moment ago, when it was loaded
        return f"unreadable: {error.strerror}"
