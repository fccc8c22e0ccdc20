"""The report is one sound, safe and self-contained page, whatever the sweep."""

from __future__ import annotations

import functools
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from analysis_sweeps import ACCURACY, LOSS, record, records, sweep

from tuner.analysis.plots import style
from tuner.analysis.report import render, write
from tuner.analysis.results import Results
from tuner.trial import Objective, State, Sweep, TrialRecord

EVIL = "$x_$<script>alert('&\"')</script>{{ 7 * 7 }}"
VOID = {"meta", "br", "link", "img", "input"}
SPEED = Objective(metric="seconds_per_step", direction="minimize")
PLAIN = {"optimizer": "sgd", "schedule": "constant", "sgd.lr": 0.1}
ODD = {"optimizer": EVIL, "schedule": EVIL, f"{EVIL}.lr": 0.1, "名前\n\x00": EVIL, "none": None}


def unhappy(state: State) -> list[TrialRecord]:
    return [record(i, PLAIN | {"sgd.lr": 10.0**-i}, state, note="loss became nan") for i in range(12)]


SWEEPS: dict[str, tuple[Sweep, list[TrialRecord]]] = {
    "usual": (sweep(), records(60)),
    "minimize": (sweep(objectives=[LOSS]), records(40)),
    "repeats": (sweep(repeats=3), records(60, repeats=3)),
    "several objectives": (sweep(objectives=[ACCURACY, SPEED]), records(40)),
    "three objectives": (sweep(objectives=[ACCURACY, SPEED, LOSS], repeats=2), records(41, repeats=2)),
    "empty": (sweep(), []),
    "one": (sweep(), records(1, unhappy=0.0)),
    "two alike": (sweep(), [record(i, PLAIN, values={"accuracy": 0.0}) for i in range(2)]),
    "no rate": (sweep(), [record(i, {"optimizer": "sgd", "schedule": "constant", "width": i}) for i in range(6)]),
    "no curves": (sweep(), [record(i, PLAIN | {"width": i}, total_steps=1) for i in range(6)]),
    **{f"all {state}": (sweep(), unhappy(state)) for state in State if state is not State.COMPLETED},
    "odd text": (
        sweep(name=EVIL, objectives=[Objective(metric=EVIL, direction="minimize")]),
        [record(i, {**ODD, f"{EVIL}.lr": 0.1 * (i + 1)}, values={EVIL: float(i)}, note=EVIL) for i in range(8)]
        + [record(8, ODD, State.FAILED, note=f"Traceback {EVIL}")],
    ),
}


class Page(HTMLParser):
    """Collects tags, attributes and text, and holds that every tag is closed where it was opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@functools.cache
def rendered(case: str) -> str:
    shares = {"sgd.lr": 0.6, EVIL: 0.3, "width": 0.001}
    return render(*SWEEPS[case], importances=shares, edge=lambda *_: "low", generated_at=1_700_000_100.0)


@pytest.fixture(params=SWEEPS, scope="module")
def html(request: pytest.FixtureRequest) -> str:
    return rendered(request.param)


def test_it_is_one_sound_self_contained_page(html: str) -> None:
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert page.tags["h1"] == page.tags["title"] == page.tags["main"] == 1
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
    for name, value in page.attributes:
        assert not name.startswith("on")
        assert "//" not in value or name.startswith("xmlns"), (name, value)
        assert name not in {"href", "src", "xlink:href"} or value.startswith("#"), (name, value)
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))


def test_every_drawing_is_xml_whose_references_hold(html: str) -> None:
    drawings = re.findall(r"<svg\b.*?</svg>", html, flags=re.DOTALL)
    assert drawings  # the importances are drawn whatever the sweep
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)  # noqa: S314 - our own drawing
        assert root.get("role") == "img"
        assert root.get("aria-label")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert [name for name, n in Counter(ids).items() if n > 1] == []
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', html)) <= set(ids)


def test_user_text_is_shown_not_obeyed() -> None:
    text = "".join(Page(rendered("odd text")).text)
    assert text.count(EVIL) > 5


def test_every_part_of_a_usual_report_is_there() -> None:
    html = rendered("usual")
    figures = re.findall(r'<figure id="(\w+)"', html)
    assert figures == ["progress", "rates", "optimizers", "schedules", "curves", "leaders", "importances", "parallel"]
    text = "".join(Page(html).text)
    for part in ("Leaderboard", "By optimizer", "By schedule", "tuner rerun digits-3 ", "tuner export digits-3"):
        assert part in text
    assert SWEEPS["usual"][0].spec_text in text
    assert "2.13.0" in text
    assert "low end of its range" in text


def test_several_objectives_show_their_front() -> None:
    assert '<figure id="pareto"' in rendered("several objectives")
    assert '<figure id="pareto"' not in rendered("usual")


def test_a_failure_shows_its_note() -> None:
    assert "loss became nan" in "".join(Page(rendered("all failed")).text)


def test_the_same_sweep_gives_the_same_page() -> None:
    assert rendered("repeats") == rendered.__wrapped__("repeats")


def test_a_large_sweep_makes_no_large_page() -> None:
    html = render(sweep(), records(5_000), importances={}, edge=lambda *_: None, generated_at=0.0)
    assert len(html.encode()) < 2e6


def test_an_optimizer_keeps_its_look_in_every_plot() -> None:
    html = rendered("usual")
    looks = {name: look.color for name, look in style.looks(Results(*SWEEPS["usual"])).items()}
    assert len(set(looks.values())) == len(looks)
    for figure in ("progress", "rates", "optimizers"):
        drawing = html.split(f'<figure id="{figure}"')[1].split("</figure>")[0]
        assert all(color in drawing for color in looks.values())


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write(path, "<p>first ü</p>")
    assert path.read_text(encoding="utf-8") == "<p>first ü</p>"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, "<p>second</p>")
    assert path.read_text(encoding="utf-8") == "<p>first ü</p>"
    assert list(tmp_path.iterdir()) == [path]
