"""A view in a process of its own, of low priority, so that no trial waits for what showing it costs this processor.

Importing MLflow takes seconds of computing, and so do its calls for every hundred trials; in a thread they would hold
Python's lock while the driver trains. ``main`` is that process: it is told what to make, does what it is told, and ends
with the one that began it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any, cast

from tuner.errors import TunerError
from tuner.tracking.ending import SweepEnd
from tuner.tracking.place import Place, View
from tuner.tracking.wording import in_short
from tuner.trial import Event

NICENESS = 10


def aside(place: Place) -> Place:
    """The same place, whose views are made and kept in another process."""
    return replace(place, connect=lambda: Aside(place.connect))


class Aside:
    """What ``make`` makes, in a process of its own (protocol ``View``); ``make`` can be pickled.

    What the view raises there is raised here: a TunerError as it is, anything else as a RuntimeError in its words.
    """

    def __init__(self, make: Callable[[], View]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tuner.tracking.aside import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the driver, which delivers what is left
        )
        self._questions, self._answers = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        try:
            self.is_new: bool = self._ask(make)
        except BaseException:
            self.close()
            raise

    def write(self, events: Sequence[Event]) -> Counter[str]:
        """See View."""
        refused: Counter[str] = self._ask(("write", events))
        return refused

    def finish(self, end: SweepEnd) -> Counter[str]:
        """See View."""
        refused: Counter[str] = self._ask(("finish", end))
        return refused

    def close(self) -> None:
        """End the process, whatever it does; a thread that waits for its answer is told that it has ended."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._questions, self._answers):
            with suppress(OSError):  # a question that was not sent to its end
                pipe.close()

    def _ask(self, question: object) -> Any:
        try:
            pickle.dump(question, self._questions)
            self._questions.flush()
            error, answer = pickle.load(self._answers)  # noqa: S301 - from our own process
        except (EOFError, OSError, ValueError) as gone:  # a pipe that was closed meanwhile is a ValueError
            raise RuntimeError("the process that writes there has ended") from gone
        if error is not None:
            raise error
        return answer


def main() -> None:
    """Answer every question of the process that began this one, until that ends."""
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no answer
    view: View | None = None
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that began this one
        except EOFError:
            return
        try:
            if view is None:
                view = question()
                answer: tuple[Exception | None, object] = None, view.is_new
            else:
                name, argument = question
                answer = None, getattr(view, name)(argument)
        except TunerError as error:
            answer = error, None
        except Exception as error:  # noqa: BLE001 - whatever a place raises; its class may be known here only
            answer = RuntimeError(in_short(error)), None
        pickle.dump(answer, answers)
        answers.flush()
