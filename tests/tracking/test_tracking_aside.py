"""A view in another process is as good as one here, and goes when the driver goes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from tracking_outgoing import Listed
from tracking_views import Foreign, Page, Silent, refused

from tuner.errors import UsageError
from tuner.tracking import Courier, Place, SweepEnd, aside, deliver
from tuner.tracking.aside import NICENESS, Aside
from tuner.trial import Event, Lost

END = SweepEnd(at=1.0, complete=True)
HERE = str(Path(__file__).parent)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", HERE)
    return


def numbered(count: int) -> list[Event]:
    return [Lost(trial=n, attempt=0, at=0.0, reason="x" * 100) for n in range(count)]


def gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while not gone(pid):
        assert time.monotonic() < deadline, "the process goes on"
        time.sleep(0.02)


def test_it_is_written_there_what_would_be_written_here(tmp_path: Path) -> None:
    place = Place("mlflow", "there", partial(Page, tmp_path / "page"))
    assert deliver(aside(place), Listed(numbered(5_000)), END) == {"odd": 2_500}
    *trials, _, niceness = (tmp_path / "page").read_text().split()
    assert list(map(int, trials)) == list(range(5_000))
    assert int(niceness) == min(19, os.nice(0) + NICENESS)
    with closing(Aside(partial(Page, tmp_path / "page"))) as again:
        assert not again.is_new


def test_what_is_raised_there_is_raised_here_and_the_view_lives_on(tmp_path: Path) -> None:
    errors = {1: UsageError("not that"), 2: ValueError("nor\nthat")}
    with closing(Aside(partial(Page, tmp_path / "page", errors))) as view:
        assert view.is_new
        with pytest.raises(UsageError, match=r"^not that$"):
            view.write(numbered(2))
        with pytest.raises(RuntimeError, match=r"^nor$"):
            view.write(numbered(3)[2:])
        assert view.write(numbered(1)) == {"odd": 0}
    with (
        closing(Aside(partial(Foreign, tmp_path / "page"))) as view,
        pytest.raises(RuntimeError, match=r"^known there$"),
    ):
        view.write(numbered(1))
    with pytest.raises(UsageError, match="no such place"):
        Aside(partial(refused, tmp_path / "page"))


def test_a_process_that_is_killed_is_an_error_that_passes(tmp_path: Path) -> None:
    view = Aside(partial(Page, tmp_path / "page"))
    view._process.kill()
    with pytest.raises(RuntimeError, match="the process that writes there has ended"):
        view.write(numbered(1))
    view.close()
    view.close()


def test_a_courier_that_gives_up_on_a_silent_place_ends_its_process(tmp_path: Path, told: list[str]) -> None:
    place = Place("mlflow", "there", partial(Silent, tmp_path / "pid"))
    courier = Courier(aside(place), Listed(numbered(3)), warn=told.append, remedy="", drain_s=0.2, linger_s=0.0)
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    courier.close()
    assert "4 updates did not reach there (still busy after 0.2 s)" in told[-1]
    until_gone(int((tmp_path / "pid").read_text()))
    courier._thread.join(10)
    assert not courier._thread.is_alive()


def test_it_ends_with_the_driver_whatever_becomes_of_that(tmp_path: Path) -> None:
    program = (
        "import os, sys; from functools import partial; from pathlib import Path; from tracking_views import Page;"
        f"from tuner.tracking.aside import Aside; view = Aside(partial(Page, Path({str(tmp_path / 'page')!r})));"
        "print(view._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    driver = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert driver.returncode == -9
    until_gone(int(driver.stdout))
