"""Rows of an engine in one file that is whole or not there: written durably, checked when it is read.

A file is safetensors: the tensors of every row, and in its header, as JSON, whose they are and the rest of each state.
It is named by the SHA-256 of its contents, so one that was cut short or changed is known by its name.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from tuner.training.slot import Saved
from tuner.trial import TrialSpec

SUFFIX, PART = ".safetensors", ".part"  # of a file that is whole, and of one that may not be
TENSORS = ("row", "buffers")  # what a state holds as tensors; the rest is plain data
DAMAGE = (OSError, SafetensorError, ValueError, TypeError, LookupError)
"""What reading a file may raise whose contents are not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A state, and the attempts at trials that are in it: several, where trials share their steps."""

    attempts: tuple[TrialSpec, ...]
    saved: Saved


def folder_of(output: Path, sweep: str, key: str = "") -> Path:
    """Where the checkpoints of a sweep lie; ``key`` tells it from a sweep of the same id in another ledger."""
    return output / sweep / (f"checkpoints-{key}" if key else "checkpoints")


def write(folder: Path, rows: Sequence[Row]) -> Path:
    """Put rows into a new file of ``folder``; it is on disk, whole, when this returns.

    Raises OSError where that fails; what a reader may find is whole even then.
    """
    data = _encoded(rows)
    path = folder / f"{hashlib.sha256(data).hexdigest()}{SUFFIX}"
    part = path.with_suffix(PART)
    try:
        _write_through(part, data)
        part.replace(path)
        _sync(folder)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return path


class Shelf:
    """Finds states in files. ``warn`` is told of each file that is not what was written."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._seen: set[Path] = set()
        self._sound: set[Path] = set()
        self._places: defaultdict[tuple[str, int, int], list[tuple[Path, int]]] = defaultdict(list)

    def find(self, folder: Path, trial: TrialSpec) -> Saved | None:
        """The state that ``trial`` goes on from; None where no sound file of ``folder`` holds it."""
        for path in sorted(set(folder.glob(f"*{SUFFIX}")) - self._seen):
            self._seen.add(path)
            self._note(path)
        for path, number in self._places[trial.sweep, trial.index, trial.resume_step]:
            try:
                self._check(path)
                return _read(path, number)
            except FileNotFoundError:
                continue  # a newer one has taken its place
            except DAMAGE as error:
                self._tell(path, error)
        return None

    def _note(self, path: Path) -> None:
        """Remember whose states lie in a file."""
        try:
            with safe_open(path, "pt") as file:
                manifest = _manifest(file)
            for number, row in enumerate(manifest["rows"]):
                for index, _ in row["attempts"]:
                    self._places[manifest["sweep"], index, row["state"]["step"]].append((path, number))
        except FileNotFoundError:
            return
        except DAMAGE as error:
            self._tell(path, error)

    def _check(self, path: Path) -> None:
        """Raise ValueError where the contents are not those that gave the file its name."""
        if path not in self._sound:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != path.stem:
                    raise ValueError("its SHA-256 is not the one in its name")
            self._sound.add(path)

    def _tell(self, path: Path, error: Exception) -> None:
        self._warn(f"checkpoint {path} is damaged ({error}); its trials go on from an older one, or from their start")


def _encoded(rows: Sequence[Row]) -> bytes:
    tensors = {}
    manifest = []
    for number, row in enumerate(rows):
        tensors.update({f"{number}.row.{name}": tensor for name, tensor in row.saved["row"].items()})
        tensors.update({f"{number}.buffers.{k}": tensor for k, tensor in enumerate(row.saved["buffers"])})
        manifest.append(
            {
                "attempts": [(trial.index, trial.attempt) for trial in row.attempts],
                "buffers": len(row.saved["buffers"]),
                "state": {name: value for name, value in row.saved.items() if name not in TENSORS},
            }
        )
    header = {"sweep": rows[0].attempts[0].sweep, "rows": manifest}
    return save(tensors, {"manifest": json.dumps(header)})


def _read(path: Path, number: int) -> Saved:
    with safe_open(path, "pt") as file:
        row = _manifest(file)["rows"][number]
        prefix = f"{number}.row."
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - it is no dictionary
        state = row["state"]
        return {
            **state,
            "curve": [(step, metrics) for step, metrics in state["curve"]],
            # Copies, so that the file is not held open by what is mapped from it.
            "row": {name.removeprefix(prefix): file.get_tensor(name).clone() for name in names},
            "buffers": [file.get_tensor(f"{number}.buffers.{k}").clone() for k in range(row["buffers"])],
        }


def _manifest(file: Any) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((file.metadata() or {})["manifest"])
    return manifest


def _write_through(path: Path, data: bytes) -> None:
    """Write a file and have it on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
