"""What a spec says, read: defaults, short forms, round trips."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner import optim, schedules, space, spec
from tuner.errors import SpecError
from tuner.hyper import Hyper
from tuner.space import Choice, Source
from tuner.spec import SweepSpec, options
from tuner.spec.options import seconds
from tuner.trial import Objective

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALLEST = "workload: digits-mlp\nobjective: accuracy\nbudget: {trials: 6}\n"


def of(text: str) -> SweepSpec:
    return spec.parse(SMALLEST + text, "my sweep_2.yaml")


def test_the_smallest_spec_has_every_default() -> None:
    smallest = of("")
    assert smallest.name == "my-sweep-2"
    assert [(o.metric, o.direction, o.at) for o in smallest.objective] == [("accuracy", None, "last")]
    assert (smallest.sampler, smallest.pruner, smallest.executor) == (options.Tpe(), options.NoPruner(), options.Ray())
    assert (smallest.seed, smallest.repeats, smallest.patience, smallest.evaluate_every) == (0, 1, None, None)
    assert smallest.space == space.preset("default").space


SHORT_AND_LONG = [
    ("sampler: grid", "sampler: {name: grid, points: 5}"),
    ("pruner: patient", "pruner: {name: patient, wrapped: median, evaluations: 3}"),
    ("pruner: {name: patient, wrapped: hyperband}", "pruner: {name: patient, wrapped: {name: hyperband, factor: 3}}"),
    ("executor: inline", "executor: {name: inline, slots: auto}"),
    ("patience: 3", "patience: {evaluations: 3, min_delta: 0}"),
    ("evaluate_every: 10\nspace: {optimizer: sgd}", "evaluate_every: 10\nspace: {optimizer: {sgd: {}}}"),
]


@pytest.mark.parametrize(("short", "long"), SHORT_AND_LONG)
def test_short_forms(short: str, long: str) -> None:
    assert of(short) == of(long) != of("")


@pytest.mark.parametrize(
    ("written", "metrics"),
    [("accuracy", 1), ("{metric: accuracy}", 1), ("[accuracy]", 1), ("[accuracy, {metric: loss, at: best}]", 2)],
)
def test_objectives_as_name_mapping_or_list(written: str, metrics: int) -> None:
    read = spec.parse(f"workload: w\nobjective: {written}\nbudget: {{trials: 1}}", "s.yaml")
    assert len(read.objective) == metrics
    assert read.objective[0] == of("").objective[0]


@pytest.mark.parametrize(
    ("written", "found"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h1m1s", 3661), (7, 7), (0.5, 0.5), (None, None)],
)
def test_durations(written: object, found: object) -> None:
    assert seconds(written) == found


ALL_OPTIONS = [
    f"{key}: {{name: {model.model_fields['name'].default}}}"
    for key, union in (("sampler", options.Sampler), ("pruner", options.Pruner), ("executor", options.Executor))
    for model in union.__args__
]


@pytest.mark.parametrize("text", ALL_OPTIONS)
def test_every_option_round_trips(text: str) -> None:
    read = of(text + "\nrepeats: 2")
    dumped = read.dump()
    assert spec.from_data(dumped) == read
    assert spec.from_data(dumped).dump() == dumped


# A preset that lists its configurations has no place for another optimizer.
SEARCHED = [name for name in space.names() if not space.draft_of(name).configurations]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seed": st.integers(0, 2**53),
            "patience": st.integers(1, 9)
            | st.fixed_dictionaries({"evaluations": st.integers(1, 9), "min_delta": st.just(0.1)}),
            "budget": st.fixed_dictionaries(
                {"trials": st.integers(1, 9), "wall_time": st.sampled_from(["9m", 3, 0.5])}
            ),
            "space": st.fixed_dictionaries(
                {"optimizer": st.lists(st.sampled_from(optim.names()), min_size=1, unique=True)},
                optional={
                    "schedule": st.lists(st.sampled_from(schedules.names()), min_size=1, unique=True),
                    "use": st.sampled_from(SEARCHED),
                    "clip_norm": st.sampled_from([None, 1, {"log": [0.1, 1]}]),
                },
            )
            | st.fixed_dictionaries({"use": st.sampled_from(space.names())}),
        },
    )
)
def test_specs_round_trip(fields: dict[str, object]) -> None:
    read = spec.from_data({"name": "a", "workload": "w", "objective": "loss", "budget": {"trials": 1}, **fields})
    assert spec.from_data(read.dump()) == read


LISTED = "space:\n  configurations:\n  - {optimizer: {sgd: {lr: 0.1}}}\n  - {optimizer: {sgd: {lr: 0.2}}}"


def test_a_list_of_configurations_is_walked_through_unless_another_sampler_is_named() -> None:
    read = of(LISTED)
    assert read.sampler == options.Grid()
    assert spec.from_data(read.dump()) == read
    assert [params["sgd.lr"] for params in spec.search_space(read, {}).configurations] == [0.1, 0.2]
    assert of(f"{LISTED}\nsampler: random").sampler == options.Random()


def test_a_mistake_in_a_listed_configuration_has_its_line() -> None:
    with pytest.raises(SpecError, match=r"space.configurations\[1\].optimizer.sgd.lr: .* \(my sweep_2.yaml:7\)"):
        of(LISTED.replace("0.2", "-0.2"))


def test_a_recorded_sweep_is_read_though_a_name_is_gone() -> None:
    data = of("space: {optimizer: sgd}").dump()
    data["space"] = {"optimizer": {"an-old-one": {"lr": {"log": [0.1, 1]}}}}
    assert spec.from_data(data).space == data["space"]
    with pytest.raises(SpecError, match=r"unknown optimizer 'an-old-one'.* \(the sweep's spec\)"):
        spec.search_space(spec.from_data(data), {})


def test_where_it_was_written_is_no_part_of_a_spec() -> None:
    assert of("") == of("# a comment\n\n\n") == spec.from_data(of("").dump())
    assert Source("a", {(): 1}) == Source("b")


METRICS = {"accuracy": "maximize", "loss": "minimize"}


def test_directions_are_the_metrics_own_unless_written() -> None:
    read = spec.parse(
        "workload: w\nbudget: {trials: 1}\nobjective:\n- accuracy\n- {metric: loss, direction: maximize}", "s"
    )
    assert spec.objectives(read, METRICS) == (
        Objective(metric="accuracy", direction="maximize"),
        Objective(metric="loss", direction="maximize"),
    )


def test_an_unknown_metric_is_told_the_nearest_with_its_line() -> None:
    read = spec.parse("workload: w\nbudget: {trials: 1}\nobjective:\n- loss\n- acuracy", "s.yaml")
    with pytest.raises(SpecError, match=r"unknown metric 'acuracy'; did you mean 'accuracy'.* \(s.yaml:5\)"):
        spec.objectives(read, METRICS)


WIDTH = {"width": Hyper(default=64, low=1, integer=True, doc="units")}


def test_the_space_of_a_workload_is_checked_with_its_line() -> None:
    good = of("space:\n  optimizer: sgd\n  workload: {width: {choice: [8, 16]}}")
    assert spec.search_space(good, WIDTH).shared["width"] == Choice((8, 16))
    bad = of("space:\n  optimizer: sgd\n  workload:\n    widht: 8")
    with pytest.raises(SpecError, match=r"space.workload.widht: .*did you mean 'width'.* \(my sweep_2.yaml:7\)"):
        spec.search_space(bad, WIDTH)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    assert spec.load(path).name == path.stem


def test_the_demo_is_as_described() -> None:
    demo = spec.load(EXAMPLES / "digits.yaml")
    assert (demo.workload, demo.budget.trials, demo.budget.steps, demo.seed) == ("digits-mlp", 60, 300, 0)
    assert (demo.sampler.name, demo.pruner.name, demo.executor) == ("tpe", "median", options.Ray(workers="auto"))
