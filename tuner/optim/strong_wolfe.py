r"""A step length at which the loss has gone down enough and its slope has become flat enough.

With :math:`\phi(a) = f(w + a d)`, the strong Wolfe conditions are

.. math:: \phi(a) \le \phi(0) + c_1 a \phi'(0), \qquad |\phi'(a)| \le c_2 |\phi'(0)|

with c1 = 1e-4 and c2 = 0.9. Lengths grow until they bracket such a point, then a cubic through the ends of the bracket
says where to look. Reference: Nocedal and Wright, "Numerical Optimization" (2006), algorithms 3.5 and 3.6 and eq. 3.59;
safeguards as in torch's LBFGS.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import NamedTuple

ARMIJO, CURVATURE = 1e-4, 0.9
MOST = 25
"""Evaluations after the first."""
NARROWEST = 1e-9
"""The search ends where a bracket spans less than this in every parameter."""


class Point(NamedTuple):
    """A step length with loss and slope there."""

    at: float
    value: float
    slope: float


Search = Generator[float, tuple[float, float], float]
"""Yields step lengths, is sent loss and slope there, returns the length to take."""


def search(start: Point, first: float, reach: float) -> Search:
    """Look along a descent direction from ``start`` (at 0), first at ``first``.

    ``reach`` is the largest entry of the direction. Without a finite start ``first`` is returned.
    """
    if not (math.isfinite(start.value) and math.isfinite(start.slope)):
        return first
    last, new = start, Point(first, *(yield first))
    for tries in range(MOST):
        if _is_high(new, start) or (tries > 1 and new.value >= last.value):
            break
        if _is_flat(new, start):
            return new.at
        if new.slope >= 0.0:
            break
        at = _lowest(last, new, new.at + 0.01 * (new.at - last.at), 10.0 * new.at)
        last, new = new, Point(at, *(yield at))
    else:
        return start.at if start.value <= new.value else new.at
    return (yield from _narrow(start, (last, new), MOST - tries, NARROWEST / reach))


def _narrow(start: Point, bracket: tuple[Point, Point], most: int, narrowest: float) -> Search:
    """The same within a bracket."""
    low, high = sorted(bracket, key=lambda point: point.value)
    stuck = False
    for _ in range(most):
        left, right = sorted((low.at, high.at))
        if right - left < narrowest:
            break
        at = _lowest(low, high, left, right)
        margin = 0.1 * (right - left)
        near_end = min(right - at, at - left) < margin
        if near_end and (stuck or not left < at < right):
            at, near_end = right - margin if abs(at - right) < abs(at - left) else left + margin, False
        stuck = near_end
        new = Point(at, *(yield at))
        if _is_high(new, start) or new.value >= low.value:
            low, high = (low, new) if low.value <= new.value else (new, low)
            continue
        if _is_flat(new, start):
            return new.at
        low, high = new, low if new.slope * (high.at - low.at) >= 0.0 else high
    return low.at


def _is_high(new: Point, start: Point) -> bool:
    """Whether too little has been gained for the way."""
    return new.value > start.value + ARMIJO * new.at * start.slope


def _is_flat(new: Point, start: Point) -> bool:
    return abs(new.slope) <= -CURVATURE * start.slope


def _lowest(one: Point, other: Point, low: float, high: float) -> float:
    """Where the cubic with these two values and slopes has its minimum, within [low, high]; the middle if nowhere."""
    one, other = sorted((one, other))
    d1 = one.slope + other.slope - 3.0 * (one.value - other.value) / (one.at - other.at)
    inside = d1 * d1 - one.slope * other.slope
    if inside >= 0.0:
        d2 = math.sqrt(inside)
        bottom = other.slope - one.slope + 2.0 * d2
        if bottom and math.isfinite(bottom):
            at = other.at - (other.at - one.at) * ((other.slope + d2 - d1) / bottom)
            if math.isfinite(at):
                return min(max(at, low), high)
    return (low + high) / 2.0
