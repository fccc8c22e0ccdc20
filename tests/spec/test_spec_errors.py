"""Every mistake is named, with its line, all at once; and no text whatever gives anything but a SpecError."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner import spec
from tuner.errors import SpecError
from tuner.spec.models import SweepSpec

GOOD = {"workload": "w", "objective": "loss", "budget": {"trials": 6, "steps": 10}, "space": {"optimizer": "sgd"}}
TWO = ["loss", "accuracy"]


def problems(**changes: object) -> str:
    data = {key: value for key, value in {**GOOD, **changes}.items() if value != "absent"}
    with pytest.raises(SpecError) as caught:
        spec.parse(yaml.safe_dump(data, sort_keys=False), "s.yaml")
    return str(caught.value)


WRONG = [
    ({"workload": "absent"}, "workload: expected a value, got nothing (s.yaml:1)"),
    ({"workload": 3}, "workload: expected a word, got 3 (s.yaml:1)"),
    ({"workload": ""}, "workload: expected a name, got ''"),
    ({"name": "My Sweep"}, "name: expected lower-case letters, digits and hyphens, got 'My Sweep'"),
    ({"samplr": "tpe"}, "samplr: unknown key; did you mean 'sampler'?; known: name, workload,"),
    ({"objective": []}, "objective: expected at least one, got an empty list"),
    ({"objective": {"metrik": "loss"}}, "objective.metrik: unknown key; did you mean 'metric'?"),
    (
        {"objective": ["loss", {"metric": "a", "direction": "up"}]},
        "objective[1].direction: expected 'minimize' or 'maximize'",
    ),
    ({"objective": ["loss", "loss"]}, "objective[1]: expected different metrics, got 'loss' twice"),
    ({"budget": {}}, "budget: expected trials or wall_time, got neither"),
    ({"budget": {"steps": 5}}, "budget: expected trials or wall_time, got neither"),
    ({"budget": 3}, "budget: expected a mapping, got 3"),
    ({"budget": {"trials": 0}}, "budget.trials: expected >= 1, got 0"),
    ({"budget": {"trials": True}}, "budget.trials: expected a whole number, got true"),
    ({"budget": {"trials": 1.5}}, "budget.trials: expected a whole number, got 1.5"),
    ({"budget": {"wall_time": "soon"}}, "budget.wall_time: expected a time such as 90s, 10m, 1h30m"),
    ({"budget": {"wall_time": -1}}, "budget.wall_time: expected > 0, got -1"),
    ({"budget": {"wall_time": "0s"}}, "budget.wall_time: expected > 0, got '0s'"),
    ({"budget": {"trial": 3}}, "budget.trial: unknown key; did you mean 'trials'?; known: trials, steps, wall_time"),
    (
        {"repeats": 4},
        "budget.trials: expected a multiple of repeats (4), got 6; a trial is one training run, so write 4",
    ),
    ({"evaluate_every": 11}, "evaluate_every: expected at most budget.steps (10), got 11"),
    ({"seed": -1}, "seed: expected >= 0, got -1"),
    (
        {"sampler": "tpa"},
        "sampler: expected one of 'tpe', 'random', 'qmc', 'cmaes', 'gp', 'grid', 'nsga2', got 'tpa'; did you",
    ),
    ({"sampler": {"points": 3}}, "sampler: expected a name, or a mapping with one, got a mapping"),
    (
        {"sampler": {"name": "grid", "point": 3}},
        "sampler.point: unknown key; did you mean 'points'?; known: name, points",
    ),
    ({"sampler": {"name": "qmc", "sequence": "sobal"}}, "sampler.sequence: expected 'sobol' or 'halton', got 'sobal'"),
    ({"sampler": {"name": "tpe", "group": "yes"}}, "sampler.group: expected true or false, got 'yes'"),
    ({"pruner": "wilcoxon"}, "pruner: expected repeats >= 2 with wilcoxon"),
    ({"pruner": {"name": "patient", "wrapped": "wilcoxon"}}, "pruner: expected repeats >= 2 with wilcoxon"),
    ({"pruner": {"name": "patient", "wrapped": {"name": "median", "warmup": 1}}}, "pruner.wrapped.warmup: unknown key"),
    (
        {"pruner": {"name": "hyperband", "min_steps": "all"}},
        "pruner.min_steps: expected a whole number or 'auto', got 'all'",
    ),
    ({"pruner": {"name": "percentile", "percentile": 100}}, "pruner.percentile: expected < 100"),
    ({"executor": {"name": "ray", "workers": 0}}, "executor.workers: expected >= 1 or 'auto', got 0"),
    ({"executor": "slurm"}, "executor: expected one of 'ray', 'inline', 'simulated', got 'slurm'"),
    ({"patience": 0}, "patience: expected >= 1, got 0"),
    ({"patience": {"evaluations": 3, "delta": 1}}, "patience.delta: unknown key; did you mean 'min_delta'?"),
    ({"objective": TWO, "pruner": "median"}, "pruner: expected none with several objectives, got median; use patience"),
    (
        {"objective": TWO, "sampler": "cmaes"},
        "sampler: expected a sampler for several objectives, got cmaes; use nsga2",
    ),
    ({"space": {"optimizer": {"adamw": {"lr": -0.1}}}}, "space.optimizer.adamw.lr: expected > 0, got -0.1 (s.yaml:9)"),
    ({"space": {"optimizer": "adamv"}}, "space.optimizer.adamv: unknown optimizer 'adamv'; did you mean 'adam"),
    (
        {"space": {"optimizer": "sgd", "schedule": "cosin"}},
        "space.schedule.cosin: unknown schedule 'cosin'; did you mean 'cosine'",
    ),
    ({"space": [1]}, "space: expected a mapping with optimizer"),
    (
        {"space": {"use": "playbok-small"}},
        "space.use: unknown search space 'playbok-small'; did you mean 'playbook-small'",
    ),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message[:50] for _, message in WRONG])
def test_each_mistake_is_named(changes: dict[str, object], message: str) -> None:
    assert message in problems(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got an empty file (s.yaml)"),
        ("# nothing\n", "got an empty file"),
        ("- a\n", "expected a mapping with workload, objective, budget and space, got a list (s.yaml:1)"),
        ("just words", "expected a mapping with workload, objective, budget and space, got 'just words' (s.yaml:1)"),
        ("workload: a\nworkload: b", "workload: given twice, first on line 1 (s.yaml:2)"),
    ],
)
def test_what_is_no_spec_at_all(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        spec.parse(text, "s.yaml")


def test_files_that_cannot_be_loaded(tmp_path) -> None:
    for path, message in ((tmp_path / "no.yaml", "no such file"), (tmp_path, "got a folder")):
        with pytest.raises(SpecError, match=message):
            spec.load(path)


def test_all_mistakes_of_a_file_in_line_order() -> None:
    text = """\
seed: -1
space:
  optimizer: {sgd: {lr: 0}}
  schedul: x
budget: {trials: x}
workload: 3
objective: loss
"""
    with pytest.raises(SpecError) as caught:
        spec.parse(text, "s.yaml")
    lines = str(caught.value).splitlines()
    assert [re.fullmatch(r"([\w.]+): .* \(s\.yaml:(\d+)\)", line).groups() for line in lines] == [
        ("seed", "1"),
        ("space.optimizer.sgd.lr", "3"),
        ("space.schedul", "4"),
        ("budget.trials", "5"),
        ("workload", "6"),
    ]


def test_control_characters_never_reach_the_screen() -> None:
    text = '{"\\e[2J\\r": 1, "workload": "w", "objective": "loss", "sampler": "\\e[0m", "space": {"use": "\\n"}}'
    with pytest.raises(SpecError) as caught:
        spec.parse(text, "s.yaml")
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp", "grid", "nsga2"])
def test_samplers_that_know_several_objectives(sampler: str) -> None:
    assert spec.from_data({**GOOD, "name": "a", "objective": TWO, "sampler": sampler}).sampler.name == sampler


def test_a_grid_with_steps_ends_by_itself() -> None:
    assert spec.from_data({**GOOD, "name": "a", "budget": {"steps": 5}, "sampler": "grid"}).budget.trials is None


# Garbage that looks like a spec: words of the language in the wrong places.
WORDS = [
    *SweepSpec.model_fields,
    *(
        "use",
        "optimizer",
        "schedule",
        "clip_norm",
        "optional",
        "adamw",
        "sgd",
        "cosine",
        "lr",
        "beta1",
        "one_minus_beta1",
    ),
    *("log", "int", "uniform", "choice", "fixed", "step", "search", "default", "tpe", "patient", "wrapped", "median"),
    *("ray", "workers", "auto", "metric", "trials", "steps", "wall_time", "1h", "evaluations", "loss"),
]
scalars = st.one_of(
    st.sampled_from(WORDS),
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 70),
    st.floats(),
    st.text(max_size=8),
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)
garbage = st.dictionaries(st.sampled_from(WORDS), trees, max_size=6).map(lambda extra: {**GOOD, **extra})


def spec_or_error(read: Callable[[], SweepSpec]) -> SweepSpec | SpecError:
    try:
        return read()
    except SpecError as error:
        return error


@settings(max_examples=400, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(garbage | trees)
def test_garbage_is_a_spec_error_with_a_place(data: object) -> None:
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
    found = spec_or_error(lambda: spec.parse(text, "g.yaml"))
    if isinstance(found, SpecError):
        assert all("(g.yaml" in line for line in str(found).splitlines())
    else:
        assert spec.from_data(found.dump()) == found


@settings(max_examples=200, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(garbage | trees)
def test_garbage_data_is_a_spec_error(data: object) -> None:
    found = spec_or_error(lambda: spec.from_data(data))
    assert isinstance(found, SpecError) or spec.from_data(found.dump()) == found


HOSTILE = [
    "".join(f"key{n}: {n}\n" for n in range(9000)),
    "space:\n  optimizer: [" + "x, " * 9000 + "]\n",
    "space:\n  optimizer:\n    sgd:\n" + "".join(f"      lr{n}: {n}\n" for n in range(9000)),
    "objective: [" + "loss, " * 9000 + "]\n",
    "x" * 500_000 + ": 1\n",
    "sampler: " + "y" * 500_000 + "\n",
]


@pytest.mark.parametrize("text", HOSTILE, ids=["keys", "names", "hypers", "objectives", "long-key", "long-name"])
def test_large_garbage_is_refused_quickly_and_briefly(text: str) -> None:
    start = time.process_time()
    with pytest.raises(SpecError) as caught:
        spec.parse(text, "h.yaml")
    assert time.process_time() - start < 10
    assert len(str(caught.value)) < 100_000
