from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow_reading import Reading, read
from tracking_outgoing import Recorded, ended, shown, synced
from tracking_story import OUTCOMES, PARAMS, STATUS, SWEEP, T0, attempt, climb, finished, record, story, trial

from tuner.errors import TunerError, UsageError
from tuner.tracking import SweepEnd, probe
from tuner.trial import Event, Finished, Lost, Paused, Proposed, Reported


def sink(uri: str, told: list[str], sweep=SWEEP) -> Recorded:
    return Recorded(uri, told.append, sweep, linger_s=0.01)


@pytest.fixture
def seen(store: str, told: list[str]) -> Reading:
    reading = shown(store, story(), told)
    assert told == []
    return reading


def milliseconds(at: float) -> int:
    return round(1000 * at)


def test_every_trial_is_one_run_under_the_parent(seen: Reading):
    assert set(seen.children) == set(OUTCOMES)
    assert {run.data.tags["mlflow.parentRunId"] for run in seen.children.values()} == {seen.parent.info.run_id}
    assert seen.client.get_experiment(seen.parent.info.experiment_id).name == "tuner/digits"


def test_the_parent_says_what_the_sweep_is(seen: Reading, tmp_path: Path):
    parent = seen.parent
    assert parent.info.run_name == SWEEP.id
    assert parent.info.start_time == milliseconds(T0)
    assert (
        parent.data.tags.items()
        >= {
            "tuner.sweep": "digits-1",
            "tuner.workload": "digits-mlp",
            "tuner.objective": "maximize accuracy",
            "tuner.seed": "7",
        }.items()
    )
    assert seen.artifact(parent, "spec.yaml", tmp_path / "got") == SWEEP.spec_text
    assert json.loads(seen.artifact(parent, "environment.json", tmp_path / "got")) == SWEEP.environment


def test_parameters_and_tags(seen: Reading):
    for number, run in seen.children.items():
        assert run.data.params == {name: str(value) for name, value in PARAMS.items()}
        assert (
            run.data.tags.items()
            >= {
                "optimizer": "adamw",
                "schedule": "cosine",
                "tuner.outcome": OUTCOMES[number],
                "tuner.attempt": "1" if number == 4 else "0",
                "tuner.worker": f"gpu-{number % 2}",
                "tuner.seed": str(100 + number),
            }.items()
        )
    assert seen.children[2].data.tags["mlflow.note.content"] == "loss became nan at step 14"
    assert seen.children[4].data.tags["tuner.lost"] == "worker died"


def expected() -> dict[int, dict[str, object]]:
    """What the story says should stand in each trial's run, worked out from its events alone."""
    facts: dict[int, dict[str, object]] = {}
    for event in story():
        fact = facts.setdefault(event.trial, {"start": milliseconds(event.at)})
        match event:
            case Reported(step=step, at=at, metrics=metrics):
                for key, value in metrics.items():
                    fact.setdefault(key, set()).add((step, value, milliseconds(at)))
            case Finished(step=step, at=at, values=values):
                fact |= {"status": STATUS[event.trial], "end": milliseconds(at)}
                fact |= {f"objective_{key}": {(step, value, milliseconds(at))} for key, value in values.items()}
    return facts


def found(seen: Reading) -> dict[int, dict[str, object]]:
    return {
        number: {
            "start": run.info.start_time,
            "status": run.info.status,
            "end": run.info.end_time,
            **{key: seen.curve(number, key) for key in run.data.metrics},
        }
        for number, run in seen.children.items()
    }


def test_every_point_status_and_time_comes_from_the_events(seen: Reading):
    assert found(seen) == expected()


@pytest.mark.parametrize("repeated", [0, 3])
@pytest.mark.parametrize("cut", range(1, len(story()), 4))
def test_a_sink_restarted_anywhere_leaves_the_same_runs(store: str, told: list[str], cut: int, repeated: int):
    before = shown(store, story()[:cut], told)
    after = shown(store, story()[max(0, cut - repeated) :], told)
    assert found(after) == expected()
    assert after.parent.info.run_id == before.parent.info.run_id
    assert told == []


def test_the_best_trial_is_marked_on_both_runs_and_the_mark_moves(store: str, told: list[str], tmp_path: Path):
    report = tmp_path / "report.html"
    report.write_text("<p>best")
    for number, value in ((0, 0.9), (4, 0.97)):  # the second time the sweep was resumed, and trial 4 is better
        one = sink(store, told)
        one.write(story())
        one.finish(ended(record(number, accuracy=value), artifacts=(report,), summary={"trials": 5}))
        one.close()
        seen = read(store)
        marks = {trial for trial, run in seen.children.items() if run.data.tags.get("tuner.best") == "true"}
        assert marks == {number}
        assert seen.parent.data.tags["tuner.best_trial"] == str(number)
        assert seen.parent.data.tags["tuner.best_optimizer"] == "adamw"
        assert seen.parent.data.metrics == {"best_accuracy": value}
        assert seen.parent.info.status == "FINISHED"
    assert seen.artifact(seen.parent, "report.html", tmp_path / "got") == "<p>best"
    assert json.loads(seen.artifact(seen.parent, "summary.json", tmp_path / "got")) == {"trials": 5}
    assert told == []


def test_closed_before_the_end_reads_as_interrupted_until_resumed(store: str, told: list[str]):
    assert shown(store, trial(0), told).parent.info.status == "KILLED"
    resumed = sink(store, told)
    resumed.write(trial(1))
    resumed.finish(ended())
    resumed.close()
    assert read(store).parent.info.status == "FINISHED"


def test_what_was_interrupted_reads_as_running_once_it_goes_on(store: str):
    from tuner.tracking.mlflow_runs import SweepRuns  # noqa: PLC0415 - it imports MLflow

    lost = Lost(trial=4, attempt=0, at=T0 + 45, reason="interrupted")
    for events, status in (([*attempt(4, (10,)), lost], "KILLED"), (attempt(4, (), number=1), "RUNNING")):
        runs = SweepRuns(store, SWEEP)
        assert runs.write(events) == {}
        if status == "KILLED":
            runs.finish(SweepEnd(at=T0 + 46, complete=False))
        seen = read(store)
        assert (seen.parent.info.status, seen.children[4].info.status) == (status, status)


def test_a_trial_that_pauses_is_one_run_without_a_step_twice(store: str, told: list[str]):
    events = climb(0)
    paused = shown(store, events[: events.index(next(e for e in events if isinstance(e, Paused))) + 1], told)
    assert paused.children[0].info.status == "SCHEDULED"
    assert paused.children[0].data.tags["tuner.steps"] == "10"
    seen = shown(store, events, told)
    assert seen.children[0].info.status == "FINISHED"
    assert sorted(step for step, _, _ in seen.curve(0, "accuracy")) == [10, 20, 30]
    assert told == []


def test_writing_everything_twice_changes_nothing(store: str, told: list[str], seen: Reading):
    assert found(shown(store, story(), told)) == found(seen) == expected()
    assert synced(store, story()) == {}
    assert found(read(store)) == expected()


def test_a_store_that_was_deleted_is_told_all_of_it_again_and_one_that_was_not_only_the_rest(
    store: str, told: list[str], migrated: Path
):
    path, events = Path(store.removeprefix("sqlite:///")), story()
    assert synced(store, events[:9]) == {}
    for deleted in (False, True):
        if deleted:
            path.write_bytes(migrated.read_bytes())
        one = Recorded(store, told.append, arrived=9, linger_s=0.01)
        one.outgoing.events += events
        one.close()
        assert found(read(store)) == expected()
    assert told == []


def test_sync_alone_builds_the_same_runs(store: str):
    end = SweepEnd(at=T0 + 500, complete=True, best=record(4, accuracy=0.97))
    assert synced(store, story(), end) == {}
    seen = read(store)
    assert found(seen) == expected()
    assert seen.parent.info.status == "FINISHED"
    assert seen.parent.info.end_time == milliseconds(T0 + 500)
    assert seen.children[4].data.tags["tuner.best"] == "true"


def test_two_people_with_a_sweep_of_the_same_id_share_a_store(store: str, told: list[str]):
    other = dataclasses.replace(SWEEP, created_at=T0 + 1)
    for sweep in (SWEEP, other, SWEEP):
        one = sink(store, told, sweep)
        one.write(trial(0))
        one.close()
    for sweep in (SWEEP, other):
        mine = read(store, f"tags.`tuner.created_at` = '{sweep.created_at!r}'")
        assert set(mine.children) == {0}
        assert mine.children[0].data.tags["mlflow.parentRunId"] == mine.parent.info.run_id


def test_names_and_values_beyond_mlflows_limits(store: str, told: list[str], tmp_path: Path):
    long = "x" * 20_000
    params = {"optimizer": "sgd", "note%": long, **{f"many.{i}": i for i in range(250)}}
    names = ["top-5@1%", "/a//b/../c/", "..", "n" * 400, "größe"]
    events: list[Event] = [*attempt(0, (), params=params)]
    events += [Reported(trial=0, attempt=0, at=T0 + s, step=s, metrics=dict.fromkeys(names, s / 7)) for s in range(500)]
    events.append(finished(0, note="Traceback\n" + long, accuracy=1e-320))
    seen = shown(store, events, told)
    run = seen.children[0]
    assert told == []
    assert run.data.params.items() >= {"optimizer": "sgd", "many.249": "249", "note_": long[:6000]}.items()
    assert seen.artifact(run, "params/note_.txt", tmp_path / "got") == long
    assert run.data.tags["mlflow.note.content"].startswith("Traceback\nxxx")
    for name in ("top-5_1_", "a/b/c", "_", "n" * 250, "größe"):
        assert {(step, value) for step, value, _ in seen.curve(0, name)} == {(s, s / 7) for s in range(500)}


@given(metrics=st.integers(0, 2_500), params=st.integers(0, 250), tags=st.integers(0, 250))
def test_batches_hold_everything_once_within_the_limits_of_a_server(metrics: int, params: int, tags: int):
    from tuner.tracking.mlflow_format import entities_in_batches, metrics_at  # noqa: PLC0415 - it imports MLflow

    points = metrics_at(0, T0, {f"m{i}": i for i in range(metrics)})
    texts = [{f"{kind}{i}": str(i) for i in range(n)} for kind, n in (("p", params), ("t", tags))]
    batches = list(entities_in_batches(points, *texts))
    for batch in batches:
        sizes = [len(part) for part in batch]
        assert sizes[0] <= 1_000
        assert max(sizes[1:]) <= 100
        assert 0 < sum(sizes) <= 1_000
    assert [point for batch in batches for point in batch[0]] == points
    assert [{entity.key: entity.value for batch in batches for entity in batch[part]} for part in (1, 2)] == texts


def test_what_mlflow_refuses_is_counted_and_told_and_the_rest_arrives(store: str, told: list[str], tmp_path: Path):
    one = sink(store, told)
    one.write([event for event in trial(0) if not isinstance(event, Proposed)])  # no run, and nothing to make it from
    one.write(trial(1))
    one.finish(ended(artifacts=(tmp_path / "missing.html",)))
    one.close()
    seen = read(store)
    assert set(seen.children) == {1}
    assert seen.parent.info.status == "FINISHED"
    (line,) = told
    assert "6 updates" in line
    assert "tuner sync digits-1 --from-start" in line
    assert "missing.html" in line


@pytest.mark.parametrize("uri", ["nowhere://x", "localhost:5000", "mlflow.db", "", "postgres ql://u:secret@h/db"])
def test_a_uri_of_an_unknown_scheme_is_told_once_and_costs_nothing(uri: str, told: list[str]):
    one = sink(uri, told)
    one.write(story())
    one.finish(ended())
    one.close()
    assert len(told) == 1
    assert told[0].startswith("mlflow: expected a URI")
    assert "secret" not in told[0]
    with pytest.raises(UsageError, match="expected a URI"):
        synced(uri, story())


def test_a_store_that_cannot_be_opened_is_told_at_once(tmp_path: Path, told: list[str]):
    (tmp_path / "text.db").write_text("not a database, and long enough to be told from an empty one " * 20)
    (tmp_path / "folder.db").mkdir()
    for name, words in {"text.db": "file is not a database", "folder.db": "unable to open database file"}.items():
        uri = f"sqlite:///{tmp_path}/{name}"
        began = time.monotonic()
        with pytest.raises(TunerError, match=f"^mlflow: {uri}: {words}"):
            synced(uri, story())
        assert probe(uri) == f"mlflow: {uri}: {words}"
        one = sink(uri, told)
        one.write(story())
        one.close()
        assert words in told[-1]
        assert time.monotonic() - began < 20
