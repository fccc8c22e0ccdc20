"""Which form of the step is the fastest: decided by measuring, while the trials are being trained."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Container

LOOPED, SINGLE, FUSED, COMPILED = "looped", "looped and compiled", "fused", "compiled"
ONE_BY_ONE = LOOPED, SINGLE
SAMPLES = 5
"""Steps of a form of which the shortest says how long one takes: what is longer was disturbed."""
TRIES = 3
"""Steps that a form is given before it is judged; the first one is not counted."""
RETRY = 40
"""A form that lost is tried again when it could have made so many steps since: it may have been disturbed."""
CLOSE = 1.1
"""A form that takes no longer than so many times another one may be the faster of the two once both are compiled."""


class Pace:
    """Seconds per step of each form of a structure, by number of rows; ONE_BY_ONE costs by trials, not by rows.

    ``only`` is the one form to use where there is a choice; COMPILED stands for FUSED until it is there. A device that
    runs behind the clock, as GPUs do, has no other way to choose.
    """

    def __init__(self, only: str | None = None) -> None:
        self.widest: int | None = None
        """Rows of one program beyond which a trial's step gets slower; None: not known."""
        self.knee = 1
        """Rows beyond which it gets no faster."""
        self.can_fuse = only != LOOPED
        self.last = LOOPED
        """The form of the last step."""
        self._only = only
        self._seen: dict[tuple[str, int], deque[float]] = {}
        self._tried: dict[tuple[str, int], int] = {}
        self._elsewhere: dict[tuple[str, int], float] = {}  # seconds in other forms since it was last tried
        self._spent: dict[int, float] = {}

    def refuse(self, error: BaseException) -> None:
        """Run the trials one by one from now on: their code cannot be batched, or it raises."""
        reason = str(error).strip().partition("\n")[0]
        logging.getLogger(__name__).info("trials of this model run one by one: torch.func.vmap says: %s", reason)
        self.can_fuse = False

    def choose(self, rows: int, active: int, compiled: Container[int]) -> str:
        """The form of the next step of ``active`` trials in ``rows`` rows, given the widths of compiled programs."""
        forms = [LOOPED, SINGLE] if 1 in compiled else [LOOPED]
        if self.can_fuse and rows > 1:
            forms += [FUSED, COMPILED] if rows in compiled else [FUSED]
            if self._only is not None:
                return self._only if self._only in forms else FUSED
        if untried := [form for form in forms if self._tried.get(_key(form, rows), 0) < TRIES]:
            return untried[0]
        expected = {form: self._expected(form, rows, active) for form in forms}
        forgotten = (f for f in forms if self._elsewhere.get(_key(f, rows), 0.0) > RETRY * expected[f])
        return next(forgotten, min(forms, key=expected.__getitem__))

    def note(self, form: str, rows: int, active: int, seconds: float) -> None:
        """A step took so long."""
        self.last = form
        key = _key(form, rows)
        self._tried[key] = self._tried.get(key, 0) + 1
        if self._tried[key] > 1:
            share = active if form in ONE_BY_ONE else 1
            self._seen.setdefault(key, deque(maxlen=SAMPLES)).append(seconds / share)
        for other in {_key(each, rows) for each in (LOOPED, SINGLE, FUSED, COMPILED)}:
            self._elsewhere[other] = 0.0 if other == key else self._elsewhere.get(other, 0.0) + seconds
        if form in {LOOPED, FUSED}:
            self._spent[rows] = self._spent.get(rows, 0.0) + seconds

    def spent(self, rows: int) -> float:
        """Seconds spent in steps of so many rows that were not compiled."""
        return self._spent.get(rows, 0.0)

    def worth_compiling(self, rows: int) -> list[int]:
        """The widths of programs that may be the fastest for so many rows once compiled, the likeliest first."""
        if self._only is not None:
            return [1] if self._only == SINGLE else [rows] if self.can_fuse and rows > 1 else []
        if not self.can_fuse or rows == 1:
            return [1]
        apart, together = (self._expected(form, rows, rows) for form in (LOOPED, FUSED))
        ranked = [1, rows] if apart < together else [rows, 1]
        return ranked if max(apart, together) <= CLOSE * min(apart, together) else ranked[:1]

    def _expected(self, form: str, rows: int, active: int) -> float:
        each = min(self._seen.get(_key(form, rows), ()), default=0.0)
        return each * active if form in ONE_BY_ONE else each


def _key(form: str, rows: int) -> tuple[str, int]:
    return (form, 0) if form in ONE_BY_ONE else (form, rows)
