"""An optimizer, a schedule or a workload as plain data."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic_core import to_jsonable_python


def described(name: str, entry: Any) -> dict[str, Any]:
    """Its name, its first line, its whole page, and its hyperparameters by name; what JSON cannot say is null."""
    hypers = {
        own: {**to_jsonable_python(hyper, inf_nan_mode="null"), "expected": hyper.expected()}
        for own, hyper in entry.hypers.items()
    }
    text = page(entry)
    return {"name": name, "doc": text.splitlines()[0], "page": text, "hypers": hypers}


def page(entry: Any) -> str:
    """The whole docstring: a rule's or schedule's own, else that of the class."""
    text = getattr(entry, "page", None) or inspect.getdoc(entry if inspect.isclass(entry) else type(entry))
    return inspect.cleandoc(text) if text else "(no description)"
