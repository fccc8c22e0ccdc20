"""Pydantic's errors in tuner's words: ``expected > 0, got -1``, at the path as the user wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tuner.errors import suggest
from tuner.space.problems import Path, Problems, brief

_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "duration": "{message}",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "> {gt:g}",
    "greater_than_equal": ">= {ge:g}",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than": "< {lt:g}",
    "less_than_equal": "<= {le:g}",
    "literal_error": "{expected}",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "string_pattern_mismatch": "lower-case letters, digits and hyphens",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "a name",
    "string_type": "a word",
    "too_short": "at least one",
    "tuple_type": "a list",
    "union_tag_invalid": "one of {expected_tags}",
    "union_tag_not_found": "a name, or a mapping with one",
}


def explain(error: ValidationError, model: type[BaseModel], data: object, problems: Problems) -> None:
    """Note every error that validating ``data`` as ``model`` raised; branches of one union become one problem."""
    expected: dict[Path, dict[str, None]] = {}
    got: dict[Path, str] = {}
    for one in error.errors(include_url=False):
        path, value = _written(data, one["loc"])
        if one["type"] == "extra_forbidden":
            known = _keys(model, one["loc"][:-1])
            problems.add(path, f"unknown key{suggest(str(path[-1]), known)}; known: {', '.join(known)}")
        elif one["type"] == "missing":
            problems.add(path, "expected a value, got nothing")
        else:
            context = {"message": one["msg"], **one.get("ctx", {})}
            expected.setdefault(path, {})[_EXPECTED.get(one["type"], "{message}").format_map(context)] = None
            near = suggest(context["tag"], _tags(context)) if "tag" in context else ""
            got[path] = brief(context.get("tag", value)) + near
    for path, texts in expected.items():
        problems.add(path, f"expected {' or '.join(texts)}, got {got[path]}")


def _written(data: object, loc: Path) -> tuple[Path, object]:
    """``loc`` as it was written, and what stands there.

    Pydantic puts in the tags of unions, and positions in a list that was written as one value.
    """
    path: Path = ()
    for n, part in enumerate(loc):
        keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        if part in keys:
            path, data = (*path, part), data[part]  # type: ignore[index]
        elif isinstance(data, dict) and n == len(loc) - 1:  # the key that is missing
            path = (*path, part)
    return path, data


def _keys(model: type[BaseModel], loc: Path) -> tuple[str, ...]:
    """The keys of the model at ``loc``."""
    models = [model]
    for part in loc:
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        tagged = [m for m in models if part == m.model_fields["name"].default] if len(models) > 1 else []
        models = [m for field in fields for m in _models(field.annotation)] or tagged or models
    return tuple(models[0].model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _tags(context: dict[str, Any]) -> list[str]:
    return [tag.strip(" '") for tag in context["expected_tags"].split(",")]
