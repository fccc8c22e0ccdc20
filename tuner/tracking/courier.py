"""A thread that delivers a sweep to a place that shows it: that may be slow, away or refusing, and nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, TypeVar

from tuner.errors import LeaseError, StoreError, TunerError, UsageError
from tuner.tracking.ending import SweepEnd
from tuner.tracking.place import BATCH, Carrier, Outgoing, Place
from tuner.tracking.wording import in_short
from tuner.trial import Event

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between tries
TRIES_AT_CLOSE = 3


class _GaveUp(Exception):  # noqa: N818 - no error: what is left waits in the ledger
    """There is no use in trying on."""


class Courier:
    """Keeps a place up to date from a thread of its own (protocol ``Sink``).

    Every delivery that fails is tried again, after a pause that doubles from 0.5 s to 30 s. ``warn`` gets one line a
    kind of trouble, also from the thread; ``remedy`` is the command that delivers what is left. ``drain_s`` bounds
    ``close``; ``linger_s`` is how long events wait for company, since one call with twenty points costs little more
    than one with one.
    """

    def __init__(
        self,
        place: Place,
        outgoing: Outgoing,
        *,
        warn: Callable[[str], None],
        remedy: str,
        drain_s: float = 30.0,
        linger_s: float = 1.0,
    ) -> None:
        self._place, self._outgoing, self._warn, self._remedy = place, outgoing, warn, remedy
        self._drain_s, self._linger_s = drain_s, linger_s
        self._carrier = Carrier(place, outgoing)
        self._end: SweepEnd | None = None
        self._news = 1  # what an earlier driver may have left
        self._closing = self._abandoned = self._done = self._hopeless = self._warned = False
        self._reason = ""
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"tuner-{place.kind}", daemon=True)
        self._thread.start()

    def write(self, events: Sequence[Event]) -> None:
        """Hear of recorded events; returns at once. The ledger has them, so nothing is kept here."""
        with self._changed:
            self._news += len(events)
            self._changed.notify_all()

    def finish(self, end: SweepEnd) -> None:
        """Say how the sweep ended; otherwise ``close`` leaves it interrupted, and resumable. Returns at once."""
        self._end = end

    def close(self) -> None:
        """Deliver what is left, within ``drain_s`` seconds; one warning where something is left after that.

        Gives up sooner when three tries in a row fail.
        """
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
        self._thread.join(self._drain_s)
        with self._changed:
            self._abandoned = True
        reason = self._reason or f"still busy after {self._drain_s:g} s"
        if self._thread.is_alive():
            self._carrier.close()  # it may be in another process, and then need not be left alone with its place
        if self._hopeless:
            return
        reasons = self._carrier.refused.copy()
        again = " --from-start" if reasons else ""
        if not self._done:
            reasons[reason] += self._left() + 1  # the end
        if reasons:
            self._warn(
                f"{self._place.kind}: {reasons.total()} updates did not reach {self._place.address} "
                f"({'; '.join(reasons)}); the ledger has them all: `{self._remedy}{again}` writes them"
            )

    def _left(self) -> int:
        try:
            return self._outgoing.left()
        except StoreError:  # the driver hears of it where it writes
            return 0

    # ---------------------------------------------------------------- on the thread

    def _run(self) -> None:
        with suppress(_GaveUp):
            closing = False
            while not closing:
                closing = self._wait()
                while self._persist(self._carrier.carry):
                    pass
            end = self._end or SweepEnd(at=time.time(), complete=False)
            self._persist(lambda: self._carrier.finish(end))
            self._done = True
        self._carrier.close()

    def _wait(self) -> bool:
        """Until there is news and it had time to find company, or this is closing; whether it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._closing)
            self._changed.wait_for(lambda: self._news >= BATCH or self._closing, self._linger_s)
            self._news = 0
            return self._closing

    def _persist(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, as soon as it does. Raises _GaveUp."""
        tries = tries_at_close = 0
        while not self._abandoned and tries_at_close < TRIES_AT_CLOSE:
            if tries:
                self._pause(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1)))
            try:
                done = work()
            except (UsageError, LeaseError) as error:
                self._give_up(error)
            except Exception as error:  # noqa: BLE001 - any failure of an outside service means: later
                tries += 1
                tries_at_close += self._closing
                self._trouble(error, tries)
            else:
                self._reason = ""
                return done
        raise _GaveUp

    def _give_up(self, error: TunerError) -> NoReturn:
        """An address that is wrong stays so, and who took the sweep over delivers the rest: no warning at the end."""
        self._hopeless = True
        if not isinstance(error, LeaseError):  # of that the driver hears where it writes
            self._warn(f"{error}; this sweep is not shown in {self._place.kind}")
        raise _GaveUp

    def _trouble(self, error: Exception, tries: int) -> None:
        self._reason = in_short(error)
        # A first stumble is retried quietly: two sweeps that create the same store at once trip over each other.
        if tries == 2 and not self._warned:
            self._warned = True
            self._warn(f"{self._place.kind}: {self._place.address}: {self._reason}; retrying, the sweep goes on")

    def _pause(self, seconds: float) -> None:
        """Sleep; closing cuts a long pause short, and the last tries follow each other closely."""
        if self._closing:
            time.sleep(FIRST_PAUSE)
            return
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)
