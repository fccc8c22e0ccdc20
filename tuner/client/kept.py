"""Sweeps that were looked at last: read once for each position of their history, and what follows from that as well."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from tuner.analysis.leaderboard import Leaderboard, leaders
from tuner.analysis.results import Results
from tuner.ledger import SqlLedger
from tuner.trial import Sweep, TrialRecord

T = TypeVar("T")
MOST = 500_000  # recorded events of all the sweeps that are kept; their trials take some 200 MB
LEAST = 1_000  # events that a sweep counts as without any: so many sweeps at most are kept
LETTERS = 100  # of a spec that take as much as an event, with what is read of them


class Look:
    """A sweep as it was at one position of its history. Safe to share: what is asked for is made once."""

    def __init__(self, ledger: SqlLedger, sweep: Sweep, position: int) -> None:
        self._ledger, self.sweep, self.position = ledger, sweep, position
        self.at = time.monotonic()
        self._made: dict[Hashable, object] = {}
        self._leading: Leaderboard | None = None
        self._lock = threading.RLock()

    @property
    def weight(self) -> int:
        """What it takes to keep it, in recorded events."""
        return self.position + LEAST + len(self.sweep.spec_text) // LETTERS

    @cached_property
    def records(self) -> Sequence[TrialRecord]:
        """Every trial by index, without curves; perhaps of a later position, which is read again then."""
        return self._ledger.trials(self.sweep.id, curves=False)

    def made(self, what: Hashable, make: Callable[[Results], T]) -> T:
        """What ``make`` makes of the sweep's results; ``what`` tells it from the other things that are made."""
        with self._lock:
            if what not in self._made:
                self._made[what] = make(Results(self.sweep, self.records))
            found: T = self._made[what]  # type: ignore[assignment]  # each ``what`` has one ``make``
            return found

    def leaderboard(self, top: int) -> Leaderboard:
        """The ``top`` best configurations. Only the longest of these is kept, which others begin."""
        with self._lock:
            known = self._leading
            if known is None or len(known.rows) < min(top, known.ranked):
                most = top if known is None else max(top, 2 * len(known.rows))  # few steps, whatever is asked for
                known = self._leading = leaders(Results(self.sweep, self.records), most)
        return replace(known, rows=known.rows[:top])


class Kept:
    """The sweeps of a ledger. What is younger than ``age`` seconds is taken as it is, without a look at the ledger."""

    def __init__(self, ledger: SqlLedger, age: float = 0.0) -> None:
        self._ledger, self._age = ledger, age
        self._looks: OrderedDict[str, Look] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, name: str) -> Look:
        """The sweep of that id or name, as it is now."""
        known = self._known(name)
        if known is None:
            sweep = self._ledger.load(name)
            known = self._known(sweep.id)
        else:
            sweep = known.sweep
        if known is not None and time.monotonic() - known.at < self._age:
            return known
        position = self._ledger.pages.position(sweep.id)
        if known is not None and known.position == position:
            known.at = time.monotonic()
            return known
        return self._keep(Look(self._ledger, sweep, position))

    def records(self, name: str) -> Sequence[TrialRecord]:
        """Every trial of that sweep by index, without curves."""
        return self.look(name).records

    def _known(self, sweep: str) -> Look | None:
        with self._lock:
            if sweep in self._looks:
                self._looks.move_to_end(sweep)
            return self._looks.get(sweep)

    def _keep(self, look: Look) -> Look:
        with self._lock:
            other = self._looks.get(look.sweep.id)
            if other is not None and other.position >= look.position:  # somebody else was here first
                return other
            self._looks[look.sweep.id] = look
            self._looks.move_to_end(look.sweep.id)
            while len(self._looks) > 1 and sum(kept.weight for kept in self._looks.values()) > MOST:
                self._looks.popitem(last=False)
            return look
