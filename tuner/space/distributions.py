"""What one parameter can be: a range in its search scale, a list of values, or one fixed value.

Every class answers the same questions; the parameter's name and its hyperparameter's domain stand elsewhere. A
constructor raises SpecError for a range that holds nothing or cannot be written so.
"""

# ruff: noqa: ARG002, D102  (Distribution and Range say what each method means, for all that have it)

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeGuard

from tuner.errors import SpecError
from tuner.space.problems import brief
from tuner.trial import Value

Edge = Literal["low", "high"]

# A best value this near an end of its range (as a share of the range in its search scale) says: search further out.
EDGE = 0.02
# Up to here every whole number is a float64, so that scales and steps are exact.
LARGEST_INT = 2**53


class Distribution(ABC):
    """What one parameter can be."""

    @abstractmethod
    def ends(self) -> tuple[Value, ...]:
        """Values that all lie in a hyperparameter's domain only if every value does."""

    @abstractmethod
    def contains(self, value: Value) -> bool:
        """Whether ``value`` can be drawn."""

    @abstractmethod
    def points(self, count: int) -> tuple[Value, ...]:
        """Values for a grid, ascending: all where there are at most ``count`` (or it is a list), else ``count``."""

    @abstractmethod
    def form(self) -> dict[str, object]:
        """As it is written in YAML."""

    def edge(self, value: Value) -> Edge | None:
        """The end of the range that ``value`` lies within 2 % of in the search scale, if any."""
        return None


class Range(Distribution):
    """From ``low`` to ``high``, both included; a subclass says how the range maps onto its search scale, [0, 1]."""

    low: float
    high: float

    @abstractmethod
    def at(self, part: float) -> float:
        """The value at ``part`` of the range."""

    @abstractmethod
    def part(self, value: float) -> float:
        """Where in the range ``value`` lies."""

    def ends(self) -> tuple[Value, ...]:
        return self.low, self.high

    def contains(self, value: Value) -> bool:
        return is_number(value) and self.low <= value <= self.high

    def points(self, count: int) -> tuple[Value, ...]:
        if count == 1:
            return (self.at(0.5),)
        inner = (self.at(n / (count - 1)) for n in range(1, count - 1))
        return tuple(dict.fromkeys((self.low, *inner, self.high)))

    def edge(self, value: Value) -> Edge | None:
        if not self.contains(value) or not is_number(value):
            return None
        part = self.part(value)
        return "low" if part <= EDGE else "high" if part >= 1 - EDGE else None

    def _check_order(self) -> None:
        if not (is_number(self.low) and is_number(self.high)):
            raise SpecError(f"expected two finite numbers, got [{brief(self.low)}, {brief(self.high)}]")
        if not self.low < self.high:
            raise SpecError(f"expected low < high, got [{brief(self.low)}, {brief(self.high)}]")
        if not math.isfinite(self.high - self.low):
            raise SpecError(f"expected a range of finite length, got [{brief(self.low)}, {brief(self.high)}]")

    def _make_float(self) -> None:
        """``[0, 1]`` as ``[0.0, 1.0]``, so that a parameter's type does not depend on how its range was written."""
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))

    def _check_positive(self) -> None:
        if self.low <= 0:
            raise SpecError(f"expected a range above 0 for its logarithm, got {brief(self.low)} as its low end")


@dataclass(frozen=True)
class Uniform(Range):
    """A number in [low, high]; with a ``step``, one of low, low + step, ..., high."""

    low: float
    high: float
    step: float | None = None

    def __post_init__(self) -> None:
        self._check_order()
        self._make_float()
        if self.step is None:
            return
        if not is_number(self.step) or self.step <= 0:
            raise SpecError(f"expected a step > 0, got {brief(self.step)}")
        # In decimals, as people write them: 0.3 is three times 0.1 here.
        if (Decimal(str(self.high)) - Decimal(str(self.low))) % Decimal(str(self.step)):
            raise SpecError(f"expected a step that divides {self.low:g} to {self.high:g} evenly, got {self.step:g}")

    def at(self, part: float) -> float:
        value = min(self.high, self.low + part * (self.high - self.low))  # rounding must not leave the range
        return value if self.step is None else self._nth(round((value - self.low) / self.step))

    def part(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def contains(self, value: Value) -> bool:
        if not is_number(value) or not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-6)

    def points(self, count: int) -> tuple[Value, ...]:
        if self.step is None:
            return super().points(count)
        return super().points(min(count, round((self.high - self.low) / self.step) + 1))

    def form(self) -> dict[str, object]:
        return {"uniform": [self.low, self.high]} | ({} if self.step is None else {"step": self.step})

    def _nth(self, n: int) -> float:
        return float(Decimal(str(self.low)) + n * Decimal(str(self.step)))


@dataclass(frozen=True)
class Log(Range):
    """A number in [low, high], 0 < low, uniform in its logarithm."""

    low: float
    high: float

    def __post_init__(self) -> None:
        self._check_order()
        self._check_positive()
        self._make_float()

    def at(self, part: float) -> float:
        return _log_at(self.low, self.high, part)

    def part(self, value: float) -> float:
        return _log_part(self.low, self.high, value)

    def form(self) -> dict[str, object]:
        return {"log": [self.low, self.high]}


@dataclass(frozen=True)
class Int(Range):
    """A whole number low, low + step, ..., high; with ``log``, uniform in its logarithm (0 < low, step 1)."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        if not all(isinstance(end, int) and not isinstance(end, bool) for end in (self.low, self.high)):
            raise SpecError(f"expected two whole numbers, got [{brief(self.low)}, {brief(self.high)}]")
        if max(abs(self.low), abs(self.high)) > LARGEST_INT:
            raise SpecError(f"expected whole numbers up to 2^53, got [{brief(self.low)}, {brief(self.high)}]")
        self._check_order()
        if not isinstance(self.log, bool):
            raise SpecError(f"expected log: true or false, got {brief(self.log)}")
        if isinstance(self.step, bool) or not isinstance(self.step, int) or self.step < 1:
            raise SpecError(f"expected a step that is a whole number >= 1, got {brief(self.step)}")
        if (self.high - self.low) % self.step:
            raise SpecError(f"expected a step that divides {self.low} to {self.high} evenly, got {self.step}")
        if self.log:
            self._check_positive()
            if self.step != 1:
                raise SpecError(f"expected step 1 with log, got {self.step}")

    def at(self, part: float) -> int:
        value = _log_at(self.low, self.high, part) if self.log else self.low + part * (self.high - self.low)
        return self.low + round((value - self.low) / self.step) * self.step

    def part(self, value: float) -> float:
        return _log_part(self.low, self.high, value) if self.log else (value - self.low) / (self.high - self.low)

    def contains(self, value: Value) -> bool:
        return super().contains(value) and is_number(value) and (value - self.low) % self.step == 0

    def points(self, count: int) -> tuple[Value, ...]:
        every = range(self.low, self.high + 1, self.step)
        return tuple(every) if len(every) <= count else super().points(count)

    def form(self) -> dict[str, object]:
        extra: dict[str, object] = ({"log": True} if self.log else {}) | ({"step": self.step} if self.step != 1 else {})
        return {"int": [self.low, self.high]} | extra


@dataclass(frozen=True)
class Choice(Distribution):
    """One of the given values, in the given order."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise SpecError("expected at least one value to choose from, got an empty list")
        seen: set[Value] = set()
        for value in self.values:
            if not isinstance(value, str | int | float | bool | None):
                raise SpecError(f"expected plain values to choose from, got {brief(value)} among them")
            if value in seen:
                raise SpecError(f"expected different values to choose from, got {brief(value)} twice")
            seen.add(value)

    def ends(self) -> tuple[Value, ...]:
        return self.values

    def contains(self, value: Value) -> bool:
        return value in self.values

    def points(self, count: int) -> tuple[Value, ...]:
        return self.values

    def form(self) -> dict[str, object]:
        return {"choice": list(self.values)}


@dataclass(frozen=True)
class Fixed(Distribution):
    """Always the same value: not searched."""

    value: Value

    def __post_init__(self) -> None:
        if not isinstance(self.value, str | int | float | bool | None):
            raise SpecError(f"expected a plain value, got {brief(self.value)}")

    def ends(self) -> tuple[Value, ...]:
        return (self.value,)

    def contains(self, value: Value) -> bool:
        return value == self.value

    def points(self, count: int) -> tuple[Value, ...]:
        return (self.value,)

    def form(self) -> dict[str, object]:
        return {"fixed": self.value}


def is_number(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a finite int or float; True and False are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _log_at(low: float, high: float, part: float) -> float:
    # Rounding must not leave the range.
    return min(high, max(low, math.exp((1 - part) * math.log(low) + part * math.log(high))))


def _log_part(low: float, high: float, value: float) -> float:
    return math.log(value / low) / math.log(high / low)
