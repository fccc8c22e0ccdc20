"""`tuner optimizers`, `schedules` and `spaces`: what is shown and drawn, and what is said where it cannot be."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from tuner import schedules, space
from tuner.cli.app import main
from tuner.reference.drawing import STEPS, draw, factors, read_settings


@pytest.fixture
def tuner(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return call


def test_a_line_is_the_schedule_itself() -> None:
    drawn = draw({"linear": factors("linear", {"final": 0.5}), "constant": factors("constant", {})})
    line, flat = drawn.axes[0].lines
    expected = [schedules.get("linear")(step, STEPS, final=0.5) for step in range(STEPS)]
    assert list(line.get_ydata()) == pytest.approx(expected, rel=1e-12)
    assert set(flat.get_ydata()) == {1.0}
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["linear", "constant"]


def test_many_are_drawn_apart() -> None:
    drawn = draw({name: factors(name, {}) for name in schedules.names()})
    assert [axes.get_title(loc="left") for axes in drawn.axes] == schedules.names()


def test_a_setting_goes_to_whom_it_fits() -> None:
    given = read_settings(["cosine", "wsd", "constant"], ["final=0.1", "wsd.decay=0.4", "constant.warmup=0.2"])
    assert given == {"cosine": {"final": 0.1}, "wsd": {"final": 0.1, "decay": 0.4}, "constant": {"warmup": 0.2}}
    assert read_settings(["one-cycle"], ["peak_momentum=null", "start=1", "warmup_shape=cosine"]) == {
        "one-cycle": {"peak_momentum": None, "start": 1, "warmup_shape": "cosine"}
    }


def test_files_of_every_kind(tuner, tmp_path) -> None:
    beginnings = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for ending, beginning in beginnings.items():
        path = tmp_path / f"two.{ending}"
        assert tuner("schedules", "cosine", "wsd", "--plot", path, "--set", "final=0.1")[0] == 0
        assert path.read_bytes().startswith(beginning)
    texts = [text for text in ET.parse(tmp_path / "two.svg").iter() if text.tag.endswith("}text")]  # noqa: S314
    assert {"cosine final=0.1", "wsd final=0.1"} <= {text.text for text in texts}


def test_the_result_as_json(tuner, tmp_path) -> None:
    code, out, _ = tuner("schedules", "--plot", tmp_path / "all.png", "--json")
    assert (code, json.loads(out)) == (0, {"plot": str(tmp_path / "all.png"), "schedules": schedules.names()})


MISTAKES = [
    (["cosine", "--plot", "x.gif"], 2, "--plot: expected a file ending in .png, .svg, .pdf, got 'x.gif'"),
    (["cosine", "--plot", "x"], 2, "--plot: expected a file ending"),
    (["cosine", "--plot", "no/such/x.png"], 1, "cannot write no/such/x.png: No such file or directory"),
    (["cosin", "--plot", "x.png"], 2, "unknown schedule 'cosin'; did you mean 'cosine'"),
    (["cosine", "--set", "final=1"], 2, "--set: expected --plot FILE beside it"),
    (["cosine", "--plot", "x.png", "--set", "final"], 2, "--set: expected [NAME.]HYPER=VALUE, got 'final'"),
    (["cosine", "--plot", "x.png", "--set", "final="], 2, "--set: expected [NAME.]HYPER=VALUE, got 'final='"),
    (["cosine", "--plot", "x.png", "--set", "fnal=1"], 2, "no hyperparameter 'fnal'; did you mean 'final'"),
    (["cosine", "--plot", "x.png", "--set", "wsd.final=1"], 2, "expected one of cosine before the dot, got 'wsd'"),
    (["cosine", "--plot", "x.png", "--set", "final=2"], 2, "cosine.final: expected in [0, 1], got 2"),
    (["cosine", "--plot", "x.png", "--set", "final=low"], 2, "cosine.final: expected in [0, 1], got 'low'"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: " ".join(mistake[0]))
def test_what_cannot_be_drawn_is_said(tuner, tmp_path, monkeypatch, mistake) -> None:
    arguments, code, message = mistake
    monkeypatch.chdir(tmp_path)
    shown = tuner("schedules", *arguments)
    assert shown[0] == code
    assert message in shown[2]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["optimizers", "schedules"])
def test_an_entry_is_shown_with_formula_and_reference(tuner, command) -> None:
    names = {"optimizers": ("adam", "sgd"), "schedules": ("cosine", "linear")}[command]
    code, out, _ = tuner(command, *names)
    assert code == 0
    assert {"optimizers": r"w_t &= w_{t-1}", "schedules": "    factor(s) ="}[command] in out
    assert "Reference:" in out
    assert [entry["name"] for entry in json.loads(tuner(command, *names, "--json")[1])] == list(names)
    assert "Reference: " in json.loads(tuner(command, names[0], "--json")[1])["page"]


@pytest.mark.parametrize("name", ["opt-list", "hypaobp"])
def test_a_preset_is_printed_as_it_is_kept(tuner, name) -> None:
    assert tuner("spaces", name)[1].rstrip() == space.preset(name).text.rstrip()
    assert json.loads(tuner("spaces", name, "--json")[1])["text"] == space.preset(name).text


def test_a_listing_names_what_all_have_once(tuner) -> None:
    out = tuner("schedules")[1]
    assert out.count("cooldown_shape") == 1
    assert "Each has warmup," in out
