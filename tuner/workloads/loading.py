"""From what a spec says (a name, a class in a file, a class in a package) to a workload."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from tuner.errors import UnknownNameError, UsageError, WorkloadError
from tuner.workloads.base import Workload
from tuner.workloads.catalog import WORKLOADS
from tuner.workloads.faults import user_code


def load(ref: str) -> Workload:
    """The workload that ``ref`` means: a registered name, ``path/to/file.py:Name`` or ``package.module:Name``.

    ``Name`` is a subclass of Workload that takes no arguments, or an instance. A file is run once for each content that
    it has, so loading it twice gives the same class; its module stands in ``sys.modules`` under a name made from its
    path. Workers elsewhere cannot import that name: whoever sends a workload to them pickles its module by value
    (``cloudpickle.register_pickle_by_value``), so what the file defines must be picklable.

    Raises UnknownNameError (no such name, or none in that file), UsageError (no such file or module) and WorkloadError
    (the user's code raised, or what it defines is no workload).
    """
    place, colon, name = ref.rpartition(":")
    if colon:
        return _workload(_module(place), name, ref)
    if ref.endswith(".py"):
        raise UsageError(f"workload {ref!r}: expected a class in the file; write it as {ref}:Name")
    return WORKLOADS[ref]()


def _workload(module: ModuleType, name: str, ref: str) -> Workload:
    """The workload that ``module`` calls ``name``."""
    if name not in vars(module):
        raise UnknownNameError(f"workload in {module.__file__}", name, _workload_names(module))
    found = vars(module)[name]
    if isinstance(found, type) and issubclass(found, Workload):
        with user_code(f"workload {ref}", [str(module.__file__)]):
            return found()
    if isinstance(found, Workload):
        return found
    raise WorkloadError(f"workload {ref}: expected a subclass of tuner.workloads.Workload, got {found!r}")


def _workload_names(module: ModuleType) -> list[str]:
    """The workloads that ``module`` itself defines."""
    defined = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return sorted(
        name
        for name, value in defined.items()
        if isinstance(value, Workload)
        or (isinstance(value, type) and issubclass(value, Workload) and value.__module__ == module.__name__)
    )


def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        return _imported(place)
    path = Path(place).resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"workload file {place}: {error.strerror} ({path})") from None
    return _executed(path, source)


def _imported(name: str) -> ModuleType:
    """A module of an installed package."""
    what = f"workload module {name!r}"
    remedy = "install its package, or write path/to/file.py:Name"
    with user_code(what, ()):  # finding a module runs the packages around it
        try:
            spec = importlib.util.find_spec(name)
        except (ModuleNotFoundError, ValueError) as error:
            raise UsageError(f"{what}: {error}; {remedy}") from None
    if spec is None:
        raise UsageError(f"{what}: not found; {remedy}")
    with user_code(what, [str(spec.origin)]):
        return importlib.import_module(name)


@functools.cache
def _executed(path: Path, source: bytes) -> ModuleType:
    """The module that ``source``, read from ``path``, defines."""
    stem = re.sub(r"\W", "_", path.stem)
    module = ModuleType(f"tuner_workload_{stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}")
    module.__file__ = str(path)
    # Before it runs: dataclasses, pickle and typing look a class's module up by name.
    sys.modules[module.__name__] = module
    try:
        with user_code(f"workload file {path.name}", [str(path)]):
            exec(compile(source, path, "exec"), vars(module))  # noqa: S102 - running the user's own file is the point
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module
