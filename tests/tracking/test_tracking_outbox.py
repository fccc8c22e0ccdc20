from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.tracking import outbox
from tuner.tracking.outbox import Outbox


@pytest.fixture(autouse=True, scope="module")
def hurried() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(outbox, "FIRST_PAUSE", 0.001)
    yield
    patch.undo()


class Service:
    """Takes batches; each call fails for as long as ``failures`` says so."""

    def __init__(self, failures: Sequence[bool] = ()) -> None:
        self.got: list[int] = []
        self.batches: list[int] = []
        self.troubles: list[int] = []
        self._failures = iter(failures)

    def deliver(self, items: Sequence[int]) -> None:
        self.batches.append(len(items))
        if next(self._failures, False):
            raise ConnectionError("away")
        self.got += items

    def troubled(self, error: Exception, tries: int) -> None:
        assert str(error) == "away"
        self.troubles.append(tries)


@settings(max_examples=60, deadline=None)
@given(
    puts=st.lists(st.integers(0, 9), max_size=12),
    failures=st.lists(st.booleans(), max_size=20),
    batch=st.integers(1, 7),
)
def test_items_arrive_in_order_whatever_fails_in_between(puts: list[int], failures: list[bool], batch: int):
    service = Service(failures)
    box = Outbox(service.deliver, troubled=service.troubled, linger=0.0, batch=batch)
    items = list(range(sum(puts)))
    remaining = iter(items)
    for size in puts:
        box.put([next(remaining) for _ in range(size)])
    deadline = time.monotonic() + 10
    while len(service.got) < len(items) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert box.close(5.0) == 0
    assert service.got == items
    assert max(service.batches, default=0) <= batch


def test_close_delivers_what_lingers_without_waiting_for_company():
    service = Service()
    box = Outbox(service.deliver, troubled=service.troubled, linger=60.0)
    box.put([1, 2, 3])
    began = time.monotonic()
    assert box.close(30.0) == 0
    assert time.monotonic() - began < 5
    assert service.got == [1, 2, 3]


def test_items_that_come_close_together_share_a_call():
    service = Service()
    box = Outbox(service.deliver, troubled=service.troubled, linger=0.3)
    for item in range(50):
        box.put([item])
    box.close(5.0)
    assert service.batches == [50]


def test_a_service_that_stays_away_ends_the_drain_after_three_tries():
    service = Service([True] * 1000)
    box = Outbox(service.deliver, troubled=service.troubled, linger=60.0)
    box.put([1, 2])
    assert box.close(30.0) == 2
    assert service.troubles == [1, 2, 3]


def test_closing_cuts_a_long_pause_short(monkeypatch: pytest.MonkeyPatch):
    service = Service([True])
    paused = threading.Event()
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 20.0)
    box = Outbox(service.deliver, troubled=lambda error, tries: paused.set(), linger=0.0)
    box.put([1])
    assert paused.wait(5.0)
    began = time.monotonic()
    assert box.close(15.0) == 0
    assert time.monotonic() - began < 5
    assert service.got == [1]


def test_a_service_that_never_answers_bounds_memory_and_close():
    stuck, answered = threading.Event(), threading.Event()

    def deliver(items: Sequence[int]) -> None:
        stuck.set()
        answered.wait(30.0)

    box = Outbox(deliver, troubled=lambda error, tries: None, linger=0.0, batch=2, capacity=10)
    box.put([0, 1])
    assert stuck.wait(5.0)
    for item in range(100):
        box.put([item])
    began = time.monotonic()
    assert box.close(0.2) == 102
    assert time.monotonic() - began < 2
    box.put([1, 2, 3])
    assert box.close(0.0) == 105
    assert len(box._waiting) == 10
    answered.set()
