"""Patience with a database server that is away: work is done again until the server was away for too long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from tuner.ledger.faults import AwayError

PATIENCE = 60.0  # seconds that an outage may last
FIRST, LONGEST = 0.05, 5.0  # seconds between two tries, doubling
T = TypeVar("T")


class Outage:
    """How long the server has been away. An outage is one, however many calls meet it: a success ends it."""

    def __init__(self, patience: float | None = None) -> None:
        self._patience = PATIENCE if patience is None else patience
        self._since: float | None = None

    def outlast(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, which must be the same if it is done twice: a commit may be lost on its way back.

        Raises AwayError once the server was away for ``patience`` seconds, ``PATIENCE`` for None.
        """
        pause = FIRST
        while True:
            try:
                done = work()
            except AwayError:
                now = time.monotonic()
                self._since = now if self._since is None else self._since
                if now - self._since >= self._patience:
                    raise
            else:
                self._since = None
                return done
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that drivers do not come back all at once
            pause = min(2 * pause, LONGEST)
