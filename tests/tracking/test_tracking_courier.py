"""What arrives at a place, in which order, whatever it does and however often programs end in between."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracking_outgoing import Listed

from tuner.errors import LeaseError, StoreError, TunerError, UsageError
from tuner.tracking import Courier, Place, SweepEnd, courier, deliver
from tuner.tracking import place as places
from tuner.trial import Event, Lost

END = SweepEnd(at=1.0, complete=True)


@pytest.fixture(autouse=True, scope="module")
def hurried() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(courier, "FIRST_PAUSE", 0.001)
    yield
    patch.undo()


def numbered(count: int) -> list[Event]:
    return [Lost(trial=n, attempt=0, at=0.0, reason="") for n in range(count)]


class Service:
    """A place that keeps what it is told; each write fails for as long as ``failures`` says so, after it was kept."""

    def __init__(self, failures: Sequence[bool] = (), is_new: bool = False) -> None:
        self.got: list[int] = []
        self.ends: list[SweepEnd] = []
        self.batches: list[int] = []
        self.is_new = is_new
        self.views = 0
        self._failures = iter(failures)

    def write(self, events: Sequence[Event]) -> Counter[str]:
        self.batches.append(len(events))
        self.got += [event.trial for event in events]
        if next(self._failures, False):
            raise ConnectionError("away")
        return Counter()

    def finish(self, end: SweepEnd) -> Counter[str]:
        if next(self._failures, False):
            raise ConnectionError("away")
        self.ends.append(end)
        return Counter()

    def close(self) -> None: ...

    def place(self) -> Place:
        def connect() -> Service:
            self.views += 1
            return self

        return Place("mlflow", "http://there", connect)


def start(service: Service, outgoing: Listed, told: list[str], **options: float) -> Courier:
    return Courier(service.place(), outgoing, warn=told.append, remedy="tuner sync s-1", **options)


def record(outgoing: Listed, courier: Courier, events: Sequence[Event]) -> None:
    outgoing.events += events
    courier.write(events)


@settings(max_examples=40)
@given(
    lives=st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=3),
    failures=st.lists(st.booleans(), max_size=20),
    batch=st.integers(1, 7),
)
def test_everything_arrives_in_order_whatever_fails_and_whoever_goes_on(
    lives: list[list[int]], failures: list[bool], batch: int
) -> None:
    service, outgoing, told = Service(failures), Listed(), list[str]()
    events = iter(numbered(1_000))
    with pytest.MonkeyPatch.context() as small:
        small.setattr(courier, "BATCH", batch)
        small.setattr(places, "BATCH", batch)
        for puts in lives:  # each is a driver; what it could not deliver is left to the next one
            one = start(service, outgoing, told, linger_s=0.0)
            for size in puts:
                record(outgoing, one, [next(events) for _ in range(size)])
            one.close()
        service._failures = iter(())
        assert deliver(service.place(), outgoing, END) == {}
    assert outgoing.left() == 0
    assert list(dict.fromkeys(service.got)) == [event.trial for event in outgoing.events]
    assert sorted(set(service.got)) == [event.trial for event in outgoing.events]
    assert max(service.batches, default=0) <= batch
    assert service.ends[-1] is END


def test_what_an_earlier_driver_left_goes_first_and_what_arrived_does_not_go_again() -> None:
    service, outgoing = Service(), Listed(numbered(5), arrived=2)
    one = start(service, outgoing, [], linger_s=0.0)
    record(outgoing, one, numbered(7)[5:])
    one.close()
    assert service.got == [2, 3, 4, 5, 6]


def test_a_place_that_has_nothing_of_the_sweep_any_more_is_told_all_of_it() -> None:
    service, outgoing = Service(is_new=True), Listed(numbered(5), arrived=4)
    start(service, outgoing, []).close()
    assert service.got == [0, 1, 2, 3, 4]


def test_a_driver_waits_for_nothing_and_keeps_nothing(told: list[str]) -> None:
    stuck, answered = threading.Event(), threading.Event()

    class Silent(Service):
        def write(self, events: Sequence[Event]) -> Counter[str]:
            stuck.set()
            answered.wait(30.0)
            return Counter()

    service, outgoing = Silent(), Listed(numbered(3))
    one = start(service, outgoing, told, linger_s=0.0, drain_s=0.2)
    assert stuck.wait(5.0)
    began = time.monotonic()
    for event in numbered(20_000):
        record(outgoing, one, [event])
    assert time.monotonic() - began < 5
    held = [value for value in vars(one).values() if isinstance(value, list | dict | Counter) and value]
    assert held == []
    began = time.monotonic()
    one.close()
    assert time.monotonic() - began < 2
    assert told == [
        "mlflow: 20004 updates did not reach http://there (still busy after 0.2 s); "
        "the ledger has them all: `tuner sync s-1` writes them"
    ]
    answered.set()


def test_close_delivers_what_lingers_without_waiting_for_company() -> None:
    service, outgoing = Service(), Listed()
    one = start(service, outgoing, [], linger_s=60.0)
    record(outgoing, one, numbered(3))
    began = time.monotonic()
    one.finish(END)
    one.close()
    one.close()
    assert time.monotonic() - began < 5
    assert (service.got, service.ends) == ([0, 1, 2], [END])


def test_events_that_come_close_together_share_a_call() -> None:
    service, outgoing = Service(), Listed()
    one = start(service, outgoing, [], linger_s=0.3)
    for event in numbered(50):
        record(outgoing, one, [event])
    one.close()
    assert service.batches == [50]


def test_a_service_that_stays_away_ends_the_drain_after_three_tries_in_a_row(told: list[str]) -> None:
    service, outgoing = Service([True] * 1000), Listed(numbered(2))
    one = start(service, outgoing, told, linger_s=60.0)
    one.close()
    assert len(service.batches) == 3
    assert told == [
        "mlflow: http://there: away; retrying, the sweep goes on",
        "mlflow: 3 updates did not reach http://there (away); the ledger has them all: `tuner sync s-1` writes them",
    ]
    assert service.views == 3  # what it kept of a batch is unknown: it is looked up again


def test_closing_cuts_a_long_pause_short(monkeypatch: pytest.MonkeyPatch) -> None:
    service, outgoing, paused = Service([True]), Listed(numbered(1)), threading.Event()
    monkeypatch.setattr(courier, "FIRST_PAUSE", 20.0)
    monkeypatch.setattr(Courier, "_trouble", lambda self, error, tries: paused.set())
    one = start(service, outgoing, [], linger_s=0.0)
    assert paused.wait(5.0)
    monkeypatch.setattr(courier, "FIRST_PAUSE", 0.001)
    began = time.monotonic()
    one.close()
    assert time.monotonic() - began < 5
    assert service.got == [0, 0]
    assert outgoing.left() == 0


def test_what_is_refused_for_good_is_told_once_with_how_to_write_all_again(told: list[str]) -> None:
    class Strict(Service):
        def write(self, events: Sequence[Event]) -> Counter[str]:
            return Counter({"too long": len(events)})

    start(Strict(), Listed(numbered(4)), told).close()
    assert told == [
        "mlflow: 4 updates did not reach http://there (too long); "
        "the ledger has them all: `tuner sync s-1 --from-start` writes them"
    ]


def raising(error: Exception) -> Callable[..., Counter[str]]:
    def call(*_: object) -> Counter[str]:
        raise error

    return call


def test_a_driver_that_was_replaced_delivers_nothing_more_and_leaves_the_word_to_the_other(told: list[str]) -> None:
    service, outgoing = Service(), Listed(numbered(3))
    outgoing.read = raising(LeaseError("taken over"))  # type: ignore[method-assign]
    one = start(service, outgoing, told)
    one.close()
    assert (service.got, service.ends, told) == ([], [], [])


def test_a_wrong_address_is_told_once_and_not_tried_again(told: list[str]) -> None:
    place = Place("mlflow", "nowhere", raising(UsageError("no such scheme")))
    one = Courier(place, Listed(numbered(3)), warn=told.append, remedy="", linger_s=0.0)
    one.write(numbered(1))
    one.close()
    assert told == ["no such scheme; this sweep is not shown in mlflow"]
    with pytest.raises(UsageError):
        deliver(place, Listed(), END)


def test_a_ledger_that_is_away_for_a_while_is_tried_again() -> None:
    service, outgoing = Service(), Listed(numbered(3))
    answers = iter([StoreError("away"), StoreError("away")])
    read = outgoing.read

    def once_in_a_while(limit: int) -> Sequence[Event]:
        for error in answers:
            raise error
        return read(limit)

    outgoing.read = once_in_a_while  # type: ignore[method-assign]
    start(service, outgoing, [], linger_s=0.0).close()
    assert service.got == [0, 1, 2]


def test_delivering_in_the_foreground_names_the_place_that_is_away() -> None:
    with pytest.raises(TunerError, match=r"^mlflow: http://there: away; start or correct it, then sync again$"):
        deliver(Service([True]).place(), Listed(numbered(1)), END)
