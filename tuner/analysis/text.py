"""Numbers, durations and names in words a person reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tuner.analysis.statistics import Estimate
from tuner.trial import Value


def number(value: float, digits: int = 4) -> str:
    """A number to so many significant digits: ``0.9817``, ``1,234,000``, ``3.2e-05``."""
    if 10**digits <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def value(of: Value) -> str:
    """A parameter's value as YAML would say it."""
    if of is None:
        return "null"
    if isinstance(of, bool):
        return str(of).lower()
    return number(of, 3) if isinstance(of, float) else str(of)


def plus_minus(of: Estimate) -> str:
    """``0.981 ± 0.003``: the mean and, where there are repeats, their standard deviation at a matching precision."""
    if of.sd is None:
        return number(of.mean)
    if of.sd == 0 or not math.isfinite(of.sd):
        return f"{number(of.mean)} ± {number(of.sd, 2)}"
    decimals = max(0, 1 - math.floor(math.log10(of.sd)))
    return f"{of.mean:.{decimals}f} ± {of.sd:.{decimals}f}" if decimals <= 6 else f"{number(of.mean)} ± {of.sd:.1e}"


def interval(low: float | None, high: float | None) -> str:
    """``0.978 to 0.984``, or a dash where there is none."""
    return "–" if low is None or high is None else f"{number(low)} to {number(high)}"


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``; a dash where unknown."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def listing(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part) if names else ""


def count(n: int, noun: str) -> str:
    """``1 trial``, ``1,200 trials``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def label(text: str, width: int = 28) -> str:
    """User text as a plot's or a table's label: one line, printable, at most ``width`` characters."""
    line = "".join(c for c in " ".join(str(text).split()) if c.isprintable())
    return line if len(line) <= width else line[: width - 1] + "…"


def settings(params: Iterable[tuple[str, Value]]) -> str:
    """``lr=0.003 momentum=0.9``."""
    return " ".join(f"{name}={value(v)}" for name, v in params)
