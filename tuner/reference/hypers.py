"""Hyperparameters in words: a row for each."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.hyper import ONE_MINUS, Hyper

HEADINGS = ("hyperparameter", "default", "domain", "searched by default", "")


def rows(hypers: Mapping[str, Hyper]) -> list[tuple[str, ...]]:
    """What stands under each of ``HEADINGS``."""
    return [(name, text(h.default), h.expected(), _searched(name, h), h.doc) for name, h in hypers.items()]


def text(value: object) -> str:
    """A value as people write it."""
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _searched(name: str, hyper: Hyper) -> str:
    """The range of ``name``, or of ``one_minus_<name>``."""
    searched = hyper.search
    if searched is None:
        return "-"
    if searched.kind == "choice":
        return "one of " + ", ".join(map(text, searched.choices))
    spelled = f"{ONE_MINUS}{name}: " if hyper.one_minus else ""
    return f"{spelled}{searched.kind} {searched.low:g} to {searched.high:g}"
