"""A queue and a thread that deliver to a service which may be slow, away or refusing, without anyone waiting for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between tries
TRIES_AT_CLOSE = 3


class Outbox(Generic[T]):
    """Delivers items in order, each at least once.

    ``deliver`` gets up to ``batch`` items and raises when they did not arrive; the same batch is then offered again,
    after a pause that doubles from 0.5 s to 30 s. ``troubled(error, tries)`` hears of each failure, on the outbox's
    thread. Items wait up to ``linger`` seconds for company. While ``capacity`` items wait, new ones are only counted.
    """

    def __init__(
        self,
        deliver: Callable[[Sequence[T]], None],
        *,
        troubled: Callable[[Exception, int], None],
        linger: float = 1.0,
        batch: int = 2_000,
        capacity: int = 50_000,
    ) -> None:
        self._deliver, self._troubled = deliver, troubled
        self._linger, self._batch, self._capacity = linger, batch, capacity
        self._waiting: deque[T] = deque()  # an item leaves once it is delivered
        self._turned_away = 0
        self._closing = self._abandoned = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="tuner-outbox", daemon=True)
        self._thread.start()

    def put(self, items: Sequence[T]) -> None:
        """Queue items. Never blocks; after ``close``, or beyond the capacity, they are counted as not delivered."""
        with self._changed:
            room = 0 if self._closing else max(0, self._capacity - len(self._waiting))
            self._waiting.extend(items[:room])
            self._turned_away += len(items[room:])
            self._changed.notify_all()

    def close(self, timeout: float) -> int:
        """Deliver what waits, within ``timeout`` seconds; the number of items that were not delivered.

        Gives up sooner when three tries in a row fail. May be called again.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        with self._changed:
            self._abandoned = True
            return len(self._waiting) + self._turned_away

    def _run(self) -> None:
        while (batch := self._next()) and self._offer(batch):
            with self._changed:
                for _ in batch:
                    self._waiting.popleft()

    def _next(self) -> list[T]:
        """The items to deliver now; none once closed and empty, or abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._changed.wait_for(lambda: len(self._waiting) >= self._batch or self._closing, self._linger)
            return [] if self._abandoned else list(islice(self._waiting, self._batch))

    def _offer(self, batch: Sequence[T]) -> bool:
        """Try until the batch has arrived; False when giving up."""
        tries = tries_at_close = 0
        while not self._abandoned:
            try:
                self._deliver(batch)
            except Exception as error:  # noqa: BLE001 - any failure of an outside service means: later
                tries += 1
                tries_at_close += self._closing
                self._troubled(error, tries)
            else:
                return True
            if tries_at_close >= TRIES_AT_CLOSE:
                return False
            self._pause(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1)))
        return False

    def _pause(self, seconds: float) -> None:
        """Sleep; closing cuts a long pause short, and the last tries follow each other closely."""
        if self._closing:
            time.sleep(FIRST_PAUSE)
            return
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)
