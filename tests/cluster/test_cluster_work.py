"""The runner and the scheduler at work: turn after turn, through faults that pass."""

from __future__ import annotations

import threading

import pytest

from tuner.cluster import Work, work
from tuner.errors import StoreError


class Turns:
    """Takes turns; ``faults`` are raised first. ``done`` is set after the last of them went by."""

    def __init__(self, *faults):
        self.faults, self.done = list(faults), threading.Event()

    def turn(self, is_over=None):
        if self.faults:
            fault = self.faults.pop(0)
            if fault:
                raise StoreError(fault)
        else:
            self.done.set()


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(work, "EVERY", 0.001)


def test_a_fault_that_lasts_is_said_once_and_one_that_comes_back_again():
    warned = []
    runner, scheduler = Turns("away", "away", "full", None, "away"), Turns()
    with Work(runner, scheduler, warn=warned.append) as at_work:
        assert runner.done.wait(30)
        assert scheduler.done.wait(30)
        assert at_work.is_alive()
    assert warned == ["away", "full", "away"]
    assert not at_work.is_alive()


def test_a_scheduler_in_the_middle_of_its_turn_hears_that_it_is_over():
    class Long:
        began, ended = threading.Event(), threading.Event()

        def turn(self, is_over):
            self.began.set()
            while not is_over():
                self.ended.wait(0.001)
            self.ended.set()

    scheduler = Long()
    with Work(Turns(), scheduler, warn=print):
        assert scheduler.began.wait(30)
    assert scheduler.ended.is_set()


def test_nothing_is_done_before_its_block_or_after_it():
    runner = Turns()
    at_work = Work(runner, Turns(), warn=print)
    assert not runner.done.is_set()
    with at_work:
        assert runner.done.wait(30)
    runner.done.clear()
    assert not runner.done.wait(0.05)
