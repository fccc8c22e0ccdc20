"""What `optuna.load_study` finds of a sweep, however its events came there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from search_sweeps import ACCURACY, CONDITIONAL, LOSS, PLANE, Sweep, make, plane_loss

from tuner import trial as facts
from tuner.errors import UsageError
from tuner.search.mirror import OptunaMirror, check_storage
from tuner.search.tables import DatedStorage
from tuner.space import Log, Space
from tuner.trial import Event, Finished, Lost, Proposed, Reported, Started, State, TrialSpec

CREATED = 1_760_000_000.25


def sweep(objectives: tuple[facts.Objective, ...] = (LOSS,), repeats: int = 1, name: str = "s") -> facts.Sweep:
    return facts.Sweep(
        id=f"{name}-1",
        name=name,
        spec={"workload": "digits-mlp"},
        spec_text="workload: digits-mlp\n",
        environment={},
        objectives=objectives,
        seed=7,
        repeats=repeats,
        created_at=CREATED,
    )


def dated(events: list[Event]) -> list[Event]:
    """Each event a quarter of a second after the one before."""
    return [replace(event, at=CREATED + n / 4) for n, event in enumerate(events)]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with Optuna's tables and nothing in them: making them takes a while."""
    path = tmp_path_factory.mktemp("optuna") / "optuna.db"
    DatedStorage(f"sqlite:///{path}").close()
    return path.read_bytes()


@pytest.fixture
def storage(empty: bytes, tmp_path: Path) -> str:
    (tmp_path / "optuna.db").write_bytes(empty)
    return f"sqlite:///{tmp_path}/optuna.db"


def write(url: str, events: list[Event], of: facts.Sweep, space: Space = CONDITIONAL) -> dict[str, int]:
    mirror = OptunaMirror(url, of, space)
    try:
        return mirror.write(events)
    finally:
        mirror.close()


def load(url: str, name: str = "s-1") -> tuple[optuna.Study, list[FrozenTrial]]:
    storage = DatedStorage(url)
    try:
        study = optuna.load_study(study_name=name, storage=storage)
        trials = study.get_trials()
        assert [trial.number for trial in trials] == list(range(len(trials)))
        assert study.user_attrs["workload"] == "digits-mlp"
        return study, trials
    finally:
        storage.close()


def facts_of(trials: list[FrozenTrial]) -> list[dict[str, object]]:
    """All there is of each trial, but for the keys of its row."""
    return [
        {name: value for name, value in vars(trial).items() if name != "_trial_id"} | {"number": trial.number}
        for trial in trials
    ]


def lived(repeats: int = 2, mishaps: float = 0.1, pruner: str = "median") -> list[Event]:
    """A sweep in which everything happens, and trials that are still running at its end."""
    one = Sweep(make("random", pruner, repeats=repeats), repeats=repeats, slots=5, seed=3, mishaps=mishaps)
    return dated(one.run(9).history)


def test_every_trial_is_there_as_it_was_recorded(storage: str) -> None:
    history = lived()
    assert write(storage, history, sweep(repeats=2)) == {}
    study, trials = load(storage)
    assert study.directions == [optuna.study.StudyDirection.MINIMIZE]
    assert study.metric_names == ["loss"]
    assert study.user_attrs.items() >= {"created_at": CREATED, "seed": 7, "repeats": 2}.items()
    specs = {e.trial: e.spec for e in history if isinstance(e, Proposed)}
    first = {e.trial: e.at for e in reversed(history) if isinstance(e, Proposed)}
    ends = {e.trial: e for e in history if isinstance(e, Finished)}
    assert len(trials) == len(specs)
    assert {end.outcome for end in ends.values()} >= {State.COMPLETED, State.PRUNED, State.DIVERGED}
    for trial in trials:
        spec, end = specs[trial.number], ends.get(trial.number)
        assert trial.params | trial.user_attrs["fixed"] == spec.params
        assert set(trial.user_attrs["fixed"]) == {"batch_size", "schedule"}
        curve = {e.step: e.metrics["loss"] for e in history if isinstance(e, Reported) and e.trial == trial.number}
        assert trial.intermediate_values == curve
        attributes = {"configuration": trial.number // 2, "repeat": trial.number % 2, "attempt": spec.attempt}
        assert trial.user_attrs.items() >= (attributes | {"seed": spec.seed}).items()
        assert trial.datetime_start == datetime.fromtimestamp(first[trial.number])
        if end is None:
            assert (trial.state, trial.datetime_complete) == (TrialState.RUNNING, None)
            continue
        expected = {State.COMPLETED: TrialState.COMPLETE, State.PRUNED: TrialState.PRUNED}
        assert trial.state == expected.get(end.outcome, TrialState.FAIL)
        assert trial.datetime_complete == datetime.fromtimestamp(end.at)
        assert trial.values == ([end.values["loss"]] if end.values else None)
        assert trial.user_attrs["outcome"] == end.outcome
    assert study.best_trial.value == min(e.values["loss"] for e in ends.values() if e.outcome is State.COMPLETED)
    assert study.trials_dataframe().shape[0] == len(trials)


def test_parameters_have_the_ranges_that_were_searched(mirrored: tuple[list[Event], list[FrozenTrial]]) -> None:
    _, trials = mirrored
    found = {name: distribution for trial in trials for name, distribution in trial.distributions.items()}
    assert found["optimizer"] == CategoricalDistribution(["sgd", "adamw"])
    assert found["adamw.lr"] == FloatDistribution(1e-6, 0.1, log=True)
    assert found["sgd.momentum"] == FloatDistribution(0.0, 0.9, step=0.1)
    assert found["width"] == IntDistribution(16, 128, log=True)
    assert found["clip_norm"] == CategoricalDistribution([None, 1.0])
    assert found["sgd.lr"] == FloatDistribution(10**-6.5, 10**3.5, log=True)  # a normal prior, as a person reads it
    assert all(d._contains(d.to_internal_repr(t.params[n])) for t in trials for n, d in t.distributions.items())


@pytest.fixture(scope="module")
def mirrored(empty: bytes, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], list[FrozenTrial]]:
    """A sweep, and the trials of its study, written at once."""
    path = tmp_path_factory.mktemp("whole") / "optuna.db"
    path.write_bytes(empty)
    history = lived()
    write(f"sqlite:///{path}", history, sweep(repeats=2))
    return history, load(f"sqlite:///{path}")[1]


@pytest.fixture(scope="module")
def whole(mirrored: tuple[list[Event], list[FrozenTrial]]) -> tuple[list[Event], list[dict[str, object]]]:
    history, trials = mirrored
    return history, facts_of(trials)


@settings(max_examples=3)
@given(cuts=st.lists(st.integers(0, 200), max_size=4), back=st.integers(0, 30))
def test_whoever_goes_on_anywhere_and_repeats_what_was_written_leaves_the_same_study(
    empty: bytes, whole: tuple[list[Event], list[dict[str, object]]], tmp_path_factory, cuts: list[int], back: int
) -> None:
    path = tmp_path_factory.mktemp("again") / "optuna.db"
    path.write_bytes(empty)
    history, expected = whole
    places = [0, *sorted(min(cut, len(history)) for cut in cuts), len(history)]
    for start, end in pairwise(places):
        assert write(f"sqlite:///{path}", history[max(0, start - back) : end], sweep(repeats=2)) == {}
    assert facts_of(load(f"sqlite:///{path}")[1]) == expected


@pytest.mark.parametrize("calls", [0, 1, 7])
def test_a_program_that_ends_between_two_trials_writes_none_of_them_twice(
    storage: str, whole: tuple[list[Event], list[dict[str, object]]], monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    history, expected = whole
    left: Iterator[None] = iter([None] * calls)
    create = DatedStorage.create_new_trial

    def create_or_end(*arguments: object) -> int:
        if next(left, 1) is not None:
            raise ConnectionError("killed")
        return create(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as killed:
        killed.setattr(DatedStorage, "create_new_trial", create_or_end)
        with pytest.raises(ConnectionError):
            write(storage, history, sweep(repeats=2))
    assert len(load(storage)[1]) == calls
    write(storage, history, sweep(repeats=2))
    assert facts_of(load(storage)[1]) == expected


def test_a_study_without_a_trial_is_new(storage: str) -> None:
    for is_new in (True, True):
        mirror = OptunaMirror(storage, sweep(), CONDITIONAL)
        assert mirror.is_new is is_new
        mirror.close()
    write(storage, lived(1), sweep())
    mirror = OptunaMirror(storage, sweep(), CONDITIONAL)
    assert not mirror.is_new
    mirror.close()


def test_several_objectives_and_a_front(storage: str) -> None:
    objectives = (LOSS, ACCURACY)
    one = Sweep(make("random", objectives=objectives), objectives=objectives, mishaps=0.3, seed=1).run(8).finish()
    write(storage, dated(one.history), sweep(objectives))
    study, trials = load(storage)
    assert study.metric_names == ["loss", "accuracy"]
    assert {t.state for t in trials} == {TrialState.COMPLETE, TrialState.FAIL}
    assert all(len(t.values) == 2 for t in trials if t.state == TrialState.COMPLETE)
    assert study.best_trials


def test_a_list_of_configurations_is_chosen_from(storage: str) -> None:
    listed = Space((), {}, configurations=({"optimizer": "sgd", "sgd.lr": 1.0}, {"optimizer": "sgd", "sgd.lr": 2.0}))
    one = Sweep(make("grid", space=listed), lambda params: float(str(params["sgd.lr"])), mishaps=0.0).run(3).finish()
    write(storage, dated(one.history), sweep(), listed)
    _, trials = load(storage)
    assert [t.params for t in trials] == [{"sgd.lr": 1.0}, {"sgd.lr": 2.0}]
    assert trials[0].distributions["sgd.lr"] == CategoricalDistribution([1.0, 2.0])
    assert trials[0].user_attrs["fixed"] == {"optimizer": "sgd"}


def test_a_completed_trial_without_its_value_has_failed_for_optuna_and_says_what_it_was(storage: str) -> None:
    spec = TrialSpec(sweep="s-1", index=0, params={"x": 0.1, "y": 0.1}, seed=0, total_steps=1)
    events: list[Event] = [
        Proposed(spec=spec, at=CREATED),
        Started(trial=0, attempt=0, at=CREATED, worker="gpu-0"),
        Finished(trial=0, attempt=0, at=CREATED, step=1, outcome=State.COMPLETED, note="patience"),
    ]
    write(storage, events, sweep(), PLANE)
    (trial,) = load(storage)[1]
    assert (trial.state, trial.values) == (TrialState.FAIL, None)
    expected = {"outcome": "completed", "note": "patience", "worker": "gpu-0", "steps": 1}
    assert trial.user_attrs.items() >= expected.items()


def test_what_cannot_be_written_is_counted_and_the_rest_arrives(storage: str) -> None:
    history = dated(Sweep(make("random", space=PLANE), plane_loss, mishaps=0.0).run(3).finish().history)
    lost = Lost(trial=99, attempt=0, at=CREATED, reason="its proposal is not here")
    assert write(storage, [lost, *history], sweep(), PLANE) == {
        "no trial in the study for one that was proposed before": 1
    }
    linear = Space(branches=(), shared={**PLANE.shared, "y": Log(1e-3, 1e1), "x": CONDITIONAL.shared["width"]})
    later = Proposed(
        spec=TrialSpec(sweep="s-1", index=len(load(storage)[1]), params={"x": 20, "y": 1.0}, seed=0, total_steps=1),
        at=1.0,
    )
    assert write(storage, [later], sweep(), linear).total() == 1


def test_another_study_of_that_name_is_left_alone(storage: str) -> None:
    write(storage, lived(1), sweep())
    before = facts_of(load(storage)[1])
    with pytest.raises(UsageError, match=r"optuna storage: sqlite:.* has another study of the name s-1; give another"):
        write(storage, lived(1), replace(sweep(), created_at=1.0))
    database = DatedStorage(storage)
    study = optuna.create_study(storage=database, study_name="t-1")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    database.close()
    with pytest.raises(UsageError, match="another study of the name t-1"):
        write(storage, [], sweep(name="t"))
    assert facts_of(load(storage)[1]) == before


@pytest.mark.parametrize("url", ["optuna.db", "nonsense://u:secret@host/x", ""])
def test_what_is_no_database_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"^optuna storage: expected a database URL of sqlite:") as refused:
        check_storage(url)
    assert "secret" not in str(refused.value)
