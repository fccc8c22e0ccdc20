"""Making a sampler or pruner from its name and options: what its function takes is what may be given."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from tuner.errors import UsageError, suggest
from tuner.registry import Registry

T = TypeVar("T")


def make(registry: Registry[Callable[..., T]], name: str, options: Mapping[str, object], context: object) -> T:
    """``registry[name](context, **options)``.

    Raises UnknownNameError for a name, UsageError for an option, that does not exist or cannot have its value.
    """
    factory = registry[name]
    known = [p.name for p in inspect.signature(factory).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            has = f"it has: {', '.join(known)}" if known else "it has none"
            raise UsageError(f"{registry.kind} {name} has no option {option!r}{suggest(option, known)}; {has}")
    try:
        return factory(context, **options)
    except ValueError as error:  # how Optuna refuses a value; its text says the rule and the value
        raise UsageError(f"{registry.kind} {name}: {error}") from None


@contextmanager
def accepting(category: type[Warning], message: str = "") -> Iterator[None]:
    """No warnings of a category (and with a text that begins like this): for a use that is meant as it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message, category)
        yield
