"""From what is written to a space: on made-up registries, so that each rule has its own small case."""

from __future__ import annotations

import pytest

from tuner.errors import SpecError
from tuner.hyper import Hyper, choice, integer, log, uniform
from tuner.space import Choice, Draft, Fixed, Int, Log, Problems, Source, Space, Uniform, build, draft_of, read

LR = Hyper(default=0.1, low=0, low_open=True, search=log(1e-3, 1.0), doc="rate")
BETA = Hyper(default=0.9, low=0, high=1, high_open=True, search=log(0.01, 0.5), one_minus=True, doc="decay")
OPTIMIZERS = {
    "plain": {"lr": LR},
    "heavy": {"lr": LR, "beta": BETA, "eps": Hyper(default=1e-8, low=0, doc="no default range")},
}
SCHEDULES = {
    "constant": {"warmup": Hyper(default=0.0, low=0, high=1, search=uniform(0, 0.2), doc="share")},
    "step": {"every": Hyper(default=10, low=1, integer=True, search=integer(5, 50), doc="steps")},
}
WORKLOAD = {
    "width": Hyper(default=64, low=1, integer=True, search=choice(32, 64), doc="units"),
    "act": Hyper(default="relu", choices=("relu", "tanh"), doc="shape"),
}


def space_of(data: object) -> Space:
    problems = Problems()
    draft = read(data, draft_of, problems)
    space = build(draft, optimizers=OPTIMIZERS, schedules=SCHEDULES, workload=WORKLOAD, problems=problems)
    problems.raise_any(Source("here"))
    return space


def options(data: object) -> dict[str, object]:
    return {**space_of(data).branches[0].options}


def test_a_list_searches_default_ranges_and_fixes_the_rest() -> None:
    assert options({"optimizer": ["plain", "heavy"]}) == {
        "plain": {"plain.lr": Log(1e-3, 1.0)},
        "heavy": {"heavy.lr": Log(1e-3, 1.0), "heavy.one_minus_beta": Log(0.01, 0.5), "heavy.eps": Fixed(1e-8)},
    }


@pytest.mark.parametrize("written", ["heavy", ["heavy"], {"heavy": {}}, {"heavy": None}, {"heavy": "default"}])
def test_every_way_of_saying_all_defaults(written: object) -> None:
    assert options({"optimizer": written}) == options({"optimizer": ["heavy"]})


def test_a_mapping_searches_exactly_what_it_names() -> None:
    assert options({"optimizer": {"heavy": {"lr": 0.5, "one_minus_beta": {"log": [0.1, 0.2]}}}}) == {
        "heavy": {"heavy.lr": Fixed(0.5), "heavy.one_minus_beta": Log(0.1, 0.2), "heavy.eps": Fixed(1e-8)}
    }
    assert options({"optimizer": {"heavy": {"beta": {"uniform": [0.8, 0.9]}}}})["heavy"]["heavy.beta"] == Uniform(
        0.8, 0.9
    )


def test_search_is_the_default_range_in_its_own_spelling() -> None:
    for key in ("beta", "one_minus_beta"):
        found = options({"optimizer": {"heavy": {key: "search"}}})["heavy"]
        assert found == {"heavy.lr": Fixed(0.1), "heavy.one_minus_beta": Log(0.01, 0.5), "heavy.eps": Fixed(1e-8)}


def test_the_schedule_is_a_bare_constant_unless_written() -> None:
    bare = space_of({"optimizer": "plain"}).branches[1]
    assert (bare.name, bare.options) == ("schedule", {"constant": {"constant.warmup": Fixed(0.0)}})
    asked = space_of({"optimizer": "plain", "schedule": ["constant", "step"]}).branches[1]
    assert asked.options == {
        "constant": {"constant.warmup": Uniform(0.0, 0.2)},
        "step": {"step.every": Int(5, 50)},
    }


def test_shared_parameters_have_defaults_and_a_seed_only_where_searched() -> None:
    assert space_of({"optimizer": "plain"}).shared == {
        "clip_norm": Fixed(None), "width": Fixed(64), "act": Fixed("relu"),
    }  # fmt: skip
    written = {"clip_norm": {"choice": [None, 1.0]}, "workload": {"seed": {"choice": [0, 1]}, "width": "search"}}
    assert space_of({"optimizer": "plain", **written}).shared == {
        "clip_norm": Choice((None, 1.0)), "width": Choice((32, 64)), "act": Fixed("relu"), "seed": Choice((0, 1)),
    }  # fmt: skip


def test_optional_parameters_apply_where_declared_and_workload_wins() -> None:
    written = {"optional": {"width": {"choice": [8, 16]}, "nowhere": {"choice": [1, 2]}}}
    assert space_of({"optimizer": "plain", **written}).shared["width"] == Choice((8, 16))
    over = space_of({"optimizer": "plain", **written, "workload": {"width": 24}}).shared
    assert over["width"] == Fixed(24)
    assert "nowhere" not in over


def test_presets_first_and_own_lines_over_them() -> None:
    base = {"optimizer": {"heavy": {"lr": 0.5, "one_minus_beta": 0.3}}, "clip_norm": 1.0, "workload": {"width": 8}}

    def presets(name: str) -> Draft:
        return read(
            {"base": base, "more": {"optimizer": {"plain": {"lr": 0.7}}, "clip_norm": 2.0}}[name], draft_of, Problems()
        )

    own = {"use": ["base", "more"], "optimizer": {"heavy": {"beta": 0.8}}, "workload": {"act": "tanh"}}
    draft = read(own, presets, problems := Problems())
    problems.raise_any(Source("here"))
    assert draft == Draft(
        optimizer={"heavy": {"lr": Fixed(0.5), "beta": Fixed(0.8)}, "plain": {"lr": Fixed(0.7)}},
        around={"clip_norm": Fixed(2.0)},
        workload={"width": Fixed(8), "act": Fixed("tanh")},
    )
    assert read(draft.form(), presets, Problems()) == draft


def test_what_stands_around_an_optimizer_is_there_where_it_is_written() -> None:
    written = {"optimizer": "plain", "sam_rho": {"choice": [None, 0.05]}, "ema": 0.99, "lookahead_k": "search"}
    assert space_of(written).shared == {
        "clip_norm": Fixed(None),
        "sam_rho": Choice((None, 0.05)),
        "lookahead_k": Int(5, 20),
        "ema": Fixed(0.99),
        "width": Fixed(64),
        "act": Fixed("relu"),
    }
    assert read(written, draft_of, Problems()).form()["sam_rho"] == {"choice": [None, 0.05]}


LISTED = [
    {"optimizer": {"plain": {"lr": 0.5}}, "schedule": {"step": {"every": 7}}},
    {"optimizer": {"heavy": {"one_minus_beta": 0.2}}, "workload": {"width": 8}, "clip_norm": 1.0},
    {"optimizer": {"plain": {"lr": 0.5}}, "schedule": {"step": {"every": 7}}, "optional": {"unheard_of": 1}},
]


def test_a_list_of_configurations_is_walked_in_order_and_no_twice() -> None:
    space = space_of({"configurations": LISTED, "workload": {"act": "tanh", "width": 16}})
    first = {"optimizer": "plain", "plain.lr": 0.5, "schedule": "step", "step.every": 7, "clip_norm": None}
    second = {
        "optimizer": "heavy",
        "heavy.lr": 0.1,
        "heavy.one_minus_beta": 0.2,
        "heavy.eps": 1e-8,
        "schedule": "constant",
        "constant.warmup": 0.0,
        "clip_norm": 1.0,
    }
    found = [{**first, "width": 16, "act": "tanh"}, {**second, "width": 8, "act": "tanh"}]
    assert list(space.grid(5)) == found
    assert all(map(space.contains, found))
    assert not space.contains({**found[0], "width": 8})
    assert space.distributions() == {}


def test_lists_of_presets_follow_one_another_and_read_back() -> None:
    def presets(name: str) -> Draft:
        return read({"configurations": LISTED[:2] if name == "two" else LISTED[:1]}, draft_of, Problems())

    draft = read({"use": ["one", "two"], "configurations": LISTED[2:]}, presets, problems := Problems())
    problems.raise_any(Source("here"))
    assert [one.form() for one in draft.configurations] == [
        read(one, draft_of, Problems()).form() for one in (LISTED[0], *LISTED)
    ]
    assert read(draft.form(), presets, Problems()) == draft


WRONG = [
    ({}, "optimizer: expected at least one optimizer; known: plain, heavy"),
    (3, "expected a mapping with optimizer.* got 3"),
    ({"optimiser": "plain"}, "optimiser: unknown key; did you mean 'optimizer'"),
    ({"optimizer": "hevy"}, "optimizer.hevy: unknown optimizer 'hevy'; did you mean 'heavy'"),
    ({"optimizer": 3}, "optimizer: expected a name, got 3"),
    ({"optimizer": ["plain", None]}, r"optimizer\[1\]: expected a name, got null"),
    ({"optimizer": {"plain": [1]}}, "optimizer.plain: expected a mapping of hyperparameters, got a list"),
    ({"optimizer": "plain", "schedule": "stop"}, "schedule.stop: unknown schedule 'stop'; did you mean 'step'"),
    ({"optimizer": {"heavy": {"bta": 1}}}, "heavy.bta: heavy has no hyperparameter 'bta'; did you mean 'beta'"),
    ({"optimizer": {"plain": {"one_minus_lr": 1}}}, "plain has no hyperparameter 'one_minus_lr'"),
    ({"optimizer": {"heavy": {"beta": 0.9, "one_minus_beta": 0.1}}}, "expected beta or one_minus_beta, got both"),
    ({"optimizer": {"plain": {"lr": {"uniform": [0, 1]}}}}, "plain.lr: expected > 0, got 0.0"),
    ({"optimizer": {"plain": {"lr": -1}}}, "plain.lr: expected > 0, got -1"),
    ({"optimizer": {"plain": {"lr": {"log": [0, 1]}}}}, "plain.lr: expected a range above 0"),
    ({"optimizer": {"plain": {"lr": {"log": [1, 0.1]}}}}, "plain.lr: expected low < high"),
    ({"optimizer": {"plain": {"lr": {"log": 1}}}}, r"plain.lr: expected \[low, high\], got 1"),
    ({"optimizer": {"plain": {"lr": {"log": [1, 2, 3]}}}}, r"plain.lr: expected \[low, high\]"),
    ({"optimizer": {"plain": {"lr": {"loguniform": [1, 2]}}}}, "expected one of fixed.*got loguniform"),
    ({"optimizer": {"plain": {"lr": {"log": [1, 2], "uniform": [1, 2]}}}}, "expected one of fixed.*got log, uniform"),
    ({"optimizer": {"plain": {"lr": {}}}}, "expected one of fixed.*got nothing"),
    ({"optimizer": {"plain": {"lr": {"int": [1, 2], "stp": 1}}}}, "unknown key 'stp' beside int; did you mean 'step'"),
    ({"optimizer": {"plain": {"lr": [1, 2]}}}, r"plain.lr: expected a value or a range, got a list; write \{choice"),
    ({"optimizer": {"plain": {"lr": {"choice": 1}}}}, "expected a list to choose from, got 1"),
    ({"optimizer": {"plain": {"lr": "fast"}}}, "plain.lr: expected > 0, got 'fast'"),
    ({"optimizer": {"heavy": {"eps": "search"}}}, "heavy.eps: .*no default range"),
    ({"optimizer": {"heavy": {"one_minus_beta": {"log": [0.1, 1.5]}}}}, r"expected 1 - one_minus_beta in \[0, 1\)"),
    ({"optimizer": {"heavy": {"one_minus_beta": 0}}}, r"expected 1 - one_minus_beta in \[0, 1\), got .* = 0"),
    ({"optimizer": {"heavy": {"one_minus_beta": "x"}}}, "expected 1 - one_minus_beta"),
    ({"optimizer": "plain", "schedule": {"step": {"every": {"log": [1, 9]}}}}, r"fractions; write \{int"),
    ({"optimizer": "plain", "workload": {"widht": 1}}, "workload.widht: the workload has no.*did you mean 'width'"),
    ({"optimizer": "plain", "workload": {"width": 0}}, "workload.width: expected a whole number >= 1, got 0"),
    ({"optimizer": "plain", "workload": {"act": {"int": [0, 3]}}}, r"workload.act: .*write \{choice"),
    ({"optimizer": "plain", "workload": {"act": "gelu"}}, "workload.act: expected one of 'relu', 'tanh', got 'gelu'"),
    ({"optimizer": "plain", "workload": {"seed": -1}}, "workload.seed: expected a whole number >= 0"),
    ({"optimizer": "plain", "ema": 1.0}, r"ema: expected in \[0, 1\) or null, got 1.0"),
    ({"optimizer": "plain", "ema": [1]}, r"ema: expected a value or a range, got a list"),
    ({"optimizer": "plain", "sam": 0.05}, "sam: unknown key; did you mean 'swa'"),
    ({"optimizer": "plain", "clip_norm": 0}, "clip_norm: expected > 0 or null, got 0"),
    ({"optimizer": "plain", "clip_norm": {"uniform": [0, 1]}}, "clip_norm: expected > 0 or null"),
    ({"optimizer": {"plain": {"lr": {"normal": [0.1, 1]}}}}, "plain.lr: expected > 0, got -3.9"),
    ({"optimizer": {"plain": {"lr": {"normal": [0.1]}}}}, r"plain.lr: expected \[mean, sd\], got a list"),
    ({"configurations": []}, "configurations: expected a list of configurations, got an empty list"),
    ({"configurations": {"optimizer": "plain"}}, "configurations: expected a list of configurations, got a mapping"),
    ({"configurations": [3]}, r"configurations\[0\]: expected a mapping with optimizer"),
    ({"configurations": [{"use": "default"}]}, r"configurations\[0\].use: unknown key"),
    ({"configurations": [{}]}, r"configurations\[0\].optimizer: expected at least one optimizer"),
    ({"configurations": [{"optimizer": "plain"}]}, r"configurations\[0\]: expected one value for each of plain.lr"),
    ({"configurations": [{"optimizer": {"plain": {"lr": -1}}}]}, r"configurations\[0\].optimizer.plain.lr: .*got -1"),
    (
        {"configurations": [{"optimizer": {"plain": {"lr": 1}, "heavy": {"lr": 1}}}]},
        r"configurations\[0\]: expected one value for each of optimizer: ",
    ),
    (
        {"configurations": [{"optimizer": {"plain": {"lr": 1}}}], "workload": {"width": "search"}},
        r"configurations\[0\]: expected one value for each of width",
    ),
    (
        {"configurations": [{"optimizer": {"plain": {"lr": 1}}}], "schedule": "step"},
        "schedule: expected no schedule beside configurations",
    ),
    ({"use": "algoperf-adam"}, "use: unknown search space 'algoperf-adam'; did you mean 'algoperf-adamw'"),
    ({"use": ["default", 3]}, r"use\[1\]: expected a name, got 3"),
]


@pytest.mark.parametrize(("data", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_said_where_it_is(data: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        space_of(data)


def test_all_problems_are_listed() -> None:
    with pytest.raises(SpecError) as caught:
        space_of({"optimizer": {"plain": {"lr": -1}, "heavy": {"bta": 1}}, "clip_norm": 0})
    assert len(str(caught.value).splitlines()) == 3
