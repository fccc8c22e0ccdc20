"""The pages in a real browser: signed in, growing as the sweep grows, on a phone, by keyboard, in the dark."""

from __future__ import annotations

import gc
import time
import warnings
from contextlib import closing, contextmanager

import browser
import pytest
from service_world import answering, new_sweep, queue_up, record

from tuner.ledger import open_ledger
from tuner.ledger.tokens import Role
from tuner.trial import Finished, Proposed, Started, State, TrialSpec

pytestmark = pytest.mark.skipif(browser.EXECUTABLE is None, reason="there is no Chromium here")
LONG = "a-name-of-sixty-four-characters-which-is-as-many-as-there-may-be"
PATHS = ("/", "/sweeps/done-1", f"/sweeps/{LONG}-1", "/queue", "/schedules", "/nothing", "/sign-in")
SIGNED = "document.querySelector('#token').value = '%s'; document.querySelector('.card').submit()"
# Nothing sticks out of the page, but what scrolls by itself; no text is cut off; whatever can be pressed is in reach.
WIDE = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
NAMED = (
    "[...document.querySelectorAll('button, a, summary')].every(one => one.textContent.trim() && one.offsetWidth > 0)"
)
DRAWN = "document.images.length > 4 && [...document.images].every(one => one.complete && one.naturalWidth > 0)"


def live(ledger):
    new = new_sweep("live")
    return ledger.create(**{name: getattr(new, name) for name in new.__slots__}, at=time.time()).id


@contextmanager
def cut_short(ledger, port=0):
    """A service that ends while a browser is connected: it does not wait until that has noticed."""
    with answering(ledger, port) as server:
        yield server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of uvicorn's transports
        gc.collect()


def grow(ledger, sweep, first, last):
    for index in range(first, last):
        params = {"optimizer": "adam", "adam.lr": 0.1, "schedule": "constant"}
        trial = TrialSpec(sweep=sweep, index=index, params=params, seed=1, total_steps=40)
        here = {"trial": index, "attempt": 0, "at": time.time()}
        ends = Finished(**here, step=40, outcome=State.COMPLETED, values={"accuracy": 0.5 + index / 100})
        ledger.append(sweep, [Proposed(spec=trial, at=time.time()), Started(**here, worker="cpu-0"), ends])


def test_the_pages_in_a_browser(tmp_path):
    with (
        closing(open_ledger(f"sqlite:///{tmp_path}/store.db")) as ledger,
        answering(ledger) as server,
        browser.opened(tmp_path / "profile") as tab,
    ):
        record(ledger, "done")
        queue_up(ledger, LONG)
        token = ledger.tokens.add("ada", Role.ADMIN, at=time.time())

        tab.look(1280)
        tab.go(f"{server}/sweeps/done-1")
        assert tab.run("document.title") == "Sign in · tuner"
        assert tab.run("document.activeElement.id") == "token"
        tab.follow(SIGNED % token)
        assert tab.run("document.title") == "done-1 · tuner"
        assert tab.run("document.cookie") == ""  # no script may read it
        tab.problems.clear()  # that a page wanted a token, which the browser notes

        for width in (360, 1280):
            for path in PATHS:
                tab.look(width, dark=width == 360)
                tab.go(server + path)
                assert tab.run(WIDE), (width, path)
                assert tab.run(NAMED), (width, path)
        assert [one for one in tab.problems if "404" not in one] == []

        tab.look(1280, 4_000)  # so that every picture is seen, and loaded
        tab.go(f"{server}/sweeps/done-1")
        tab.until(DRAWN)
        tab.press("Tab", 9)
        assert tab.run("document.activeElement.textContent") == "Skip to the content"
        tab.press("Enter", 13, "\r")
        tab.until("document.activeElement.id === 'main'")

        sweep = live(ledger)
        with ledger.lease(sweep):
            tab.go(f"{server}/sweeps/{sweep}")
            tab.run("window.mine = 'the same page'")
            assert "No trial was proposed yet." in tab.run("document.body.innerText")
            grow(ledger, sweep, 0, 3)
            tab.until("document.body.innerText.includes('3 of 12 trials have ended')")
            tab.until(DRAWN)
            tab.run("window.mine = 'the same page'; document.querySelector('summary').focus()")
            grow(ledger, sweep, 3, 5)
            tab.until("document.body.innerText.includes('5 of 12 trials have ended')")
            assert tab.run("[window.mine, document.activeElement.tagName].join()") == "the same page,SUMMARY"

        tab.go(f"{server}/sweeps/{LONG}-1")
        tab.follow("document.querySelector('.danger').click()")
        assert ledger.queue.job(f"{LONG}-1").state == "cancelled"
        tab.follow("[...document.querySelectorAll('button')].find(one => one.textContent === 'Sign out').click()")
        assert tab.run("document.title") == "Sign in · tuner"
        assert [one for one in tab.problems if "404" not in one] == []


def test_a_page_goes_on_by_itself_when_the_service_was_away(tmp_path):
    with closing(open_ledger(f"sqlite:///{tmp_path}/store.db")) as ledger, browser.opened(tmp_path / "profile") as tab:
        sweep = live(ledger)
        with ledger.lease(sweep):
            with cut_short(ledger) as server:
                tab.look(1280)
                tab.go(f"{server}/sweeps/{sweep}")
                grow(ledger, sweep, 0, 2)
                tab.until("document.body.innerText.includes('2 of 12 trials have ended')")
            grow(ledger, sweep, 2, 4)
            assert "2 of 12 trials have ended" in tab.run("document.body.innerText")
            with cut_short(ledger, int(server.rpartition(":")[2])):
                tab.until("document.body.innerText.includes('4 of 12 trials have ended')")
                tab.ask("Emulation.setScriptExecutionDisabled", value=True)
                tab.go(f"{server}/sweeps/{sweep}")
                assert "4 of 12 trials have ended" in tab.run("document.body.innerText")
