from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from tracking_story import SWEEP, story, trial

from tuner.tracking import ConsoleSink
from tuner.tracking.console import in_words
from tuner.tracking.progress import Best, Glance
from tuner.trial import State


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain_console(**options: bool) -> Console:
    return Console(file=io.StringIO(), width=60, **options)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_a_line_every_ten_seconds_and_one_at_the_end():
    console, clock = plain_console(), Clock()
    sink = ConsoleSink(SWEEP, 40, console, clock=clock)
    for number in range(35):
        clock.now = float(number)
        sink.write(trial(number))
    sink.close()
    lines = text(console).splitlines()
    assert [line.split(",")[0] for line in lines] == [f"digits-1: {n}/40 trials" for n in (11, 21, 31, 35)]
    assert lines[-1] == "digits-1: 35/40 trials, best accuracy 0.5 (trial 0, adamw), 30 steps/s, 5 s left"
    assert "\x1b" not in text(console)
    sink.close()
    assert len(text(console).splitlines()) == 4


def test_nothing_new_at_the_end_says_nothing_more():
    console, clock = plain_console(), Clock()
    sink = ConsoleSink(SWEEP, 40, console, clock=clock)
    clock.now = 11.0
    sink.write(trial(0))
    sink.close()
    assert len(text(console).splitlines()) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_a_quiet_console_gets_nothing(terminal: bool):
    console = plain_console(quiet=True, force_terminal=terminal)
    clock = Clock()
    sink = ConsoleSink(SWEEP, 5, console, clock=clock)
    clock.now = 60.0
    sink.write(story())
    sink.close()
    assert text(console) == ""


def test_a_terminal_gets_a_bar_that_is_drawn_over_and_stays_at_the_end():
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None, legacy_windows=False)
    sink = ConsoleSink(SWEEP, 8, console)
    sink.write(story())
    sink.close()
    sink.close()
    last = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", text(console)).rsplit("digits-1", 1)[1]
    assert "━" in last
    for words in ("5/8 trials", "1 pruned", "1 diverged", "1 failed", "best accuracy 0.97 (trial 4, adamw)"):
        assert words in last
    assert "running" not in last


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59, "59 s"),
        (59.9, "1 min"),
        (61, "1 min"),
        (3_540, "59 min"),
        (3_599, "1 h 00 min"),
        (9_000, "2 h 30 min"),
    ],
)
def test_the_line_in_words(seconds: float, words: str):
    glance = Glance(
        done=12,
        total=None,
        trials={State.RUNNING: 4, State.COMPLETED: 9, State.PRUNED: 3},
        best=Best(trial=7, metric="loss", value=0.0123456, optimizer="sgd"),
        rate=5_200.4,
        seconds_left=seconds,
    )
    assert in_words(glance) == (
        f"12 trials, 4 running, 3 pruned, best loss 0.01235 (trial 7, sgd), 5,200 steps/s, {words} left"
    )
