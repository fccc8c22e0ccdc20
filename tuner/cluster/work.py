"""The runner and the scheduler at work: turn after turn in threads of their own, through every fault of the ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tuner.cluster.recurring import Scheduler
from tuner.cluster.runner import Runner
from tuner.errors import TunerError

EVERY = 1.0  # seconds from one turn to the next


class Work:
    """Runs while its block does. What it began goes on after it, and is found by whoever works next.

    ``warn`` is told of what went wrong, once until it goes right again.
    """

    def __init__(self, runner: Runner, scheduler: Scheduler, *, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(turn,), name=f"tuner-{name}", daemon=True)
            for name, turn in {
                "runner": runner.turn,
                "scheduler": lambda: scheduler.turn(self._over.is_set),
            }.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def is_alive(self) -> bool:
        """Whether both still take turns: a fault of the program itself would end one."""
        return all(thread.is_alive() for thread in self._threads)

    def _keep(self, turn: Callable[[], None]) -> None:
        said = ""
        while not self._over.is_set():
            try:
                turn()
                said = ""
            except TunerError as error:
                if str(error) != said:
                    said = str(error)
                    self._warn(said)
            self._over.wait(EVERY)
