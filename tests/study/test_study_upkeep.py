"""Files of checkpoints end when no trial of the record can go on from them, and not before."""

from __future__ import annotations

import pytest

from tuner.training.checkpoint import folder_of
from tuner.trial import Checkpointed, Finished, Lost, Paused, Proposed, State, TrialSpec
from tuner.upkeep import Upkeep, last_folder, place_of


def proposed(trial, attempt=0, resume_step=0):
    spec = TrialSpec(
        sweep="s-1", index=trial, attempt=attempt, params={}, seed=0, total_steps=99, resume_step=resume_step
    )
    return Proposed(spec=spec, at=0.0)


def ended(trial):
    return Finished(trial=trial, attempt=0, at=0.0, step=99, outcome=State.COMPLETED)


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path, "s-1")


def saved(folder, name, *trials, step=10):
    """A file in which these trials have their states after ``step`` steps."""
    path = folder / f"{name}.safetensors"
    path.write_text(name)
    return [Checkpointed(trial=trial, attempt=0, at=0.0, step=step, path=str(path)) for trial in trials]


def names(folder):
    return sorted(path.stem for path in folder.iterdir())


def test_the_two_newest_of_a_trial_stay_and_what_another_needs(folder):
    upkeep = Upkeep(folder, [])
    upkeep.write([proposed(0), proposed(1)])
    upkeep.write(saved(folder, "a", 0, 1, step=10))
    upkeep.write(saved(folder, "b", 0, step=20))
    upkeep.write(saved(folder, "c", 0, step=30))
    assert names(folder) == ["a", "b", "c"]  # trial 1 has paused, say
    upkeep.write([ended(1)])
    upkeep.write(saved(folder, "d", 0, step=40))
    assert names(folder) == ["c", "d"]


def test_what_is_written_and_not_recorded_stays_until_something_newer_is(folder):
    folder.mkdir(parents=True)
    saved(folder, "unrecorded", 0)
    (folder / "half.part").write_text("x")
    history = [proposed(0), *saved(folder, "a", 0)]
    upkeep = Upkeep(folder, history)
    assert names(folder) == ["a", "half", "unrecorded"]
    upkeep.write(saved(folder, "b", 0, step=20))
    assert names(folder) == ["a", "b"]


@pytest.mark.parametrize(
    ("last", "stays"),
    [
        (ended(0), False),
        (Paused(trial=0, attempt=0, at=0.0, step=20), True),
        (Lost(trial=0, attempt=0, at=0.0, reason="interrupted"), True),
    ],
)
def test_the_folder_goes_when_no_trial_can_go_on(folder, last, stays):
    upkeep = Upkeep(folder, [])
    upkeep.write([proposed(0), *saved(folder, "a", 0)])
    upkeep.write([last])
    upkeep.close()
    assert folder.is_dir()  # a driver that is put out of its place closes, too
    upkeep.end()
    assert folder.exists() == stays


def test_a_folder_that_cannot_be_made_is_no_trouble_before_it_is_needed(folder):
    folder.parent.write_text("in the way")
    upkeep = Upkeep(folder, [])
    upkeep.write([proposed(0), Checkpointed(trial=0, attempt=0, at=0.0, step=1, path=str(folder / "elsewhere"))])
    upkeep.end()


def test_files_are_known_by_name_wherever_their_folder_was_moved(folder):
    folder.mkdir(parents=True)
    moved = [Checkpointed(trial=0, attempt=0, at=0.0, step=1, path="/old/place/s-1/checkpoints/a.safetensors")]
    saved(folder, "a", 0)
    upkeep = Upkeep(folder, [proposed(0), *moved])
    upkeep.write(saved(folder, "b", 0, step=2))
    assert names(folder) == ["a", "b"]


def test_a_sweep_that_is_resumed_from_elsewhere_finds_its_folder(folder, tmp_path):
    assert last_folder([]) is None
    folder.mkdir(parents=True)
    history = [proposed(0), *saved(folder, "a", 0), ended(1)]
    assert last_folder(history) == folder
    assert folder_of(*place_of(folder)[:1], folder.parent.name, place_of(folder)[1]) == folder
    (folder / "a.safetensors").unlink()
    folder.rmdir()
    assert last_folder(history) is None
