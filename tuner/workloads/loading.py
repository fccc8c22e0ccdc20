"""From what a spec says (a name, a class in a file, a class in a package) to a workload."""

from __future__ import annotations

from types import ModuleType

from tuner.errors import UnknownNameError, UsageError
from tuner.loading import load_module, user_code
from tuner.workloads.base import Workload
from tuner.workloads.catalog import WORKLOADS


def load(ref: str) -> Workload:
    """The workload that ``ref`` means: a registered name, ``path/to/file.py:Name`` or ``package.module:Name``.

    ``Name`` is a subclass of Workload that takes no arguments, or an instance. Workers elsewhere cannot import a file's
    module: whoever sends a workload to them pickles its module by value (``cloudpickle.register_pickle_by_value``), so
    what the file defines must be picklable.

    Raises UnknownNameError (no such name, or none in that file), UsageError (no such file or module, or what is called
    so is no workload) and WorkloadError (the user's code raised).
    """
    place, colon, name = ref.rpartition(":")
    if colon:
        return _workload(load_module("workload", place), name, ref)
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
    raise UsageError(f"workload {ref}: expected a subclass of tuner.workloads.Workload, got {found!r}")


def _workload_names(module: ModuleType) -> list[str]:
    """The workloads that ``module`` itself defines."""
    defined = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return sorted(
        name
        for name, value in defined.items()
        if isinstance(value, Workload)
        or (isinstance(value, type) and issubclass(value, Workload) and value.__module__ == module.__name__)
    )
