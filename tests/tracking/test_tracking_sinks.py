"""What every sink promises, whatever it shows and wherever it is."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console
from tracking_outgoing import Recorded, Warn, ended
from tracking_story import SWEEP, record, story

from tuner.protocols import Sink
from tuner.tracking import ConsoleSink, SinkSet
from tuner.trial import Event


class Buggy:
    """A sink with a defect."""

    def __init__(self) -> None:
        self.calls = 0

    def write(self, events: Sequence[Event]) -> None:
        self.calls += 1
        raise ZeroDivisionError("a defect")

    def close(self) -> None:
        raise ZeroDivisionError("a defect")


class Keeping:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = 0

    def write(self, events: Sequence[Event]) -> None:
        self.events += events

    def close(self) -> None:
        self.closed += 1


SINKS: dict[str, Callable[[Path, Warn], Sink]] = {
    "mlflow": lambda store, warn: Recorded(f"sqlite:///{store}", warn),
    "mlflow away": lambda store, warn: Recorded("http://127.0.0.1:9", warn, drain_s=5.0),
    "mlflow below a file": lambda store, warn: Recorded(f"sqlite:///{store}/x.db", warn, drain_s=0.5),
    "mlflow nonsense": lambda store, warn: Recorded("nowhere://x", warn),
    "terminal": lambda store, warn: ConsoleSink(SWEEP, 5, Console(file=io.StringIO(), force_terminal=True)),
    "pipe": lambda store, warn: ConsoleSink(SWEEP, None, Console(file=io.StringIO())),
    "set": lambda store, warn: SinkSet([Keeping(), Buggy(), Keeping()], warn=warn),
    "empty set": lambda store, warn: SinkSet([], warn=warn),
}


@pytest.mark.parametrize("name", SINKS)
def test_a_sink_takes_anything_at_once_and_closes_in_bounded_time(name: str, store: str, told: list[str]):
    sink = SINKS[name](Path(store.removeprefix("sqlite:///")), told.append)
    events = story()
    slowest = 0.0
    for batch in ([], events, events[3:], *([event] for event in events)):
        began = time.perf_counter()
        sink.write(batch)
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 2.0
    began = time.perf_counter()
    sink.close()
    sink.close()
    assert time.perf_counter() - began < 35  # the courier's 30, and a busy machine
    sink.write(events)
    assert all("\n" not in line for line in told)


def test_a_defect_switches_one_sink_off_and_is_told_once(told: list[str]):
    before, buggy, after = Keeping(), Buggy(), Keeping()
    sinks = SinkSet([before, buggy, after], warn=told.append)
    for _ in range(3):
        sinks.write(story())
    sinks.close()
    assert before.events == after.events == story() * 3
    assert before.closed == after.closed == 1
    assert buggy.calls == 1
    assert told == [
        "Buggy: switched off after ZeroDivisionError: a defect; the sweep goes on and the ledger is complete"
    ]


def test_a_sweep_does_not_wait_for_the_import_of_mlflow():
    program = (
        "import sys, tuner.tracking; assert 'mlflow' not in sys.modules, 'imported with the package';"
        "assert not any(name.startswith('sqlalchemy') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_finish_after_close_changes_nothing(store: str, told: list[str]):
    sink = Recorded(store, told.append)
    sink.close()
    sink.finish(ended(record(0, accuracy=1.0)))
    sink.close()
    assert told == []
