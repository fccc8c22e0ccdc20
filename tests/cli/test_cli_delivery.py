"""Views outside the ledger from the command line: an outage, what comes after it, and where a sweep stands."""

from __future__ import annotations

import contextlib
import io
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from cli_specs import spec_text
from sqlalchemy import update

from tuner.ledger import open_ledger
from tuner.ledger.schema import sweeps
from tuner.search.tables import DatedStorage

TRIALS = 6


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A store with a sweep during which the database for Optuna's tables was none; what its driver said."""
    from tuner.cli.app import main  # noqa: PLC0415 - it takes a while to import

    folder = tmp_path_factory.mktemp("ran")
    (folder / "one.yaml").write_text(spec_text())
    (folder / "optuna.db").write_text("not a database, and long enough to be told from an empty one " * 20)
    where = ["--store", f"sqlite:///{folder}/tuner.db", "--mlflow", "none", "--output", str(folder), "--quiet"]
    said = io.StringIO()
    with (
        pytest.raises(SystemExit) as ended,
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        main(["run", str(folder / "one.yaml"), *where, "--optuna-storage", f"sqlite:///{folder}/optuna.db"])
    assert not ended.value.code
    (folder / "said").write_text(said.getvalue())
    return folder


@pytest.fixture
def place(ran, tmp_path):
    """The same in a folder of its own, where the database can be made now."""
    (tmp_path / "tuner.db").write_bytes((ran / "tuner.db").read_bytes())
    return tmp_path


def options(place: Path) -> tuple[str, ...]:
    return ("--store", f"sqlite:///{place}/tuner.db", "--mlflow", "none", "--output", str(place))


def mirrored(place: Path) -> list[optuna.trial.FrozenTrial]:
    storage = DatedStorage(f"sqlite:///{place}/optuna.db")
    try:
        return optuna.load_study(study_name="one-1", storage=storage).get_trials()
    finally:
        storage.close()


def arrived(place: Path) -> bool:
    with closing(open_ledger(f"sqlite:///{place}/tuner.db")) as ledger, ledger.lease("one-1"):
        return ledger.delivery("one-1", f"optuna sqlite:///{place}/optuna.db").left() == 0


@pytest.mark.parametrize("command", ["sync", "resume"])
def test_what_could_not_be_delivered_during_a_sweep_is_delivered_later_and_once(tuner, place, command):
    assert not arrived(place)
    url = ("--optuna-storage", f"sqlite:///{place}/optuna.db")
    for _ in range(2 if command == "sync" else 1):
        result = tuner(command, "one", *options(place), *url, *(["--quiet"] if command == "resume" else []))
        assert result.code == 0, result.err
        assert (result.err == "") or command == "resume"
        with closing(open_ledger(f"sqlite:///{place}/tuner.db")) as ledger:
            records = ledger.trials("one-1")
        trials = mirrored(place)
        assert [trial.number for trial in trials] == list(range(TRIALS))
        assert [trial.value for trial in trials] == [record.values["loss"] for record in records]
        assert [len(trial.intermediate_values) for trial in trials] == [len(record.curve) for record in records]
        assert arrived(place)
    (place / "optuna.db").unlink()  # whoever loses the view gets all of it again
    tuner("sync", "one", *options(place), *url)
    assert len(mirrored(place)) == TRIALS


def test_a_sweep_does_not_notice_that_its_view_is_away_and_says_so(tuner, ran):
    (listed,) = tuner("list", "--store", f"sqlite:///{ran}/tuner.db", "--json").json()
    assert (listed["status"], listed["counts"]["completed"]) == ("done", TRIALS)
    told = " ".join((ran / "said").read_text().split())
    assert f"updates did not reach sqlite:///{ran}/optuna.db (" in told
    assert "`tuner sync one-1` writes them" in told
    refused = tuner("sync", "one", *options(ran), "--optuna-storage", f"sqlite:///{ran}/optuna.db")
    assert refused.code == 1
    assert refused.err.startswith(f"error: optuna: sqlite:///{ran}/optuna.db: ")
    assert "Traceback" not in refused.err


def test_sync_says_where_and_can_write_all_of_it_again(tuner, place):
    url = ("--optuna-storage", f"sqlite:///{place}/optuna.db")
    shown = tuner("sync", "one", *options(place), *url, "--json").json()
    assert shown == {"sweep": "one-1", "optuna": f"sqlite:///{place}/optuna.db", "refused": {}}
    before = [vars(trial) for trial in mirrored(place)]
    again = tuner("sync", "one", *options(place), *url, "--from-start")
    assert again.out == f"one-1 is in Optuna's tables at sqlite:///{place}/optuna.db\n"
    assert [vars(trial) for trial in mirrored(place)] == before


def test_a_sweep_that_runs_is_not_synced_beside_its_driver(tuner, place):
    url = ("--optuna-storage", f"sqlite:///{place}/optuna.db")
    with closing(open_ledger(f"sqlite:///{place}/tuner.db")) as driver, driver.lease("one-1"):
        refused = tuner("sync", "one", *options(place), *url)
    assert refused.code == 1
    assert refused.err.startswith("error: one-1 is run by process ")
    assert "its driver delivers by itself" in refused.err
    assert not (place / "optuna.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("optuna.db", "optuna storage: expected a database URL of sqlite:"),
        ("sqlite:///{place}/tuner.db", "is the database of the ledger, whose tables have the same names"),
        ("sqlite:///{place}/../{name}/tuner.db", "is the database of the ledger"),
        ("none", "sync: expected an MLflow URI or --optuna-storage, got none"),
    ],
)
def test_a_database_that_cannot_be_meant_is_refused(tuner, place, url, message):
    named = url.format(place=place, name=place.name)
    refused = tuner("sync", "one", *options(place), "--optuna-storage", named)
    assert refused.code == 2
    assert message in refused.err


# ---------------------------------------------------------------- replay, and where a sweep stands


def change(place: Path, **values: object) -> None:
    with closing(open_ledger(f"sqlite:///{place}/tuner.db")) as ledger, ledger._database.writing() as connection:
        connection.execute(update(sweeps).values(**values))


def spec_of(place: Path) -> dict[str, object]:
    with closing(open_ledger(f"sqlite:///{place}/tuner.db")) as ledger:
        return dict(ledger.load("one").spec)


def test_a_sweep_is_proposed_again_and_a_difference_is_shown_with_both_sides(tuner, place):
    where = ("--store", f"sqlite:///{place}/tuner.db")
    same = tuner("replay", "one", *where)
    assert (same.code, same.out) == (0, f"one-1: {TRIALS} of {TRIALS} proposals are the same\n")
    shown = tuner("replay", "one", *where, "--json").json()
    assert shown == {"sweep": "one-1", "proposals": TRIALS, "same": TRIALS, "differs": None, "changes": []}
    change(place, spec=spec_of(place) | {"seed": 99})
    other = tuner("replay", "one", *where)
    assert other.code == 1
    assert "the first that differs is that of trial 0" in other.out
    assert "sgd.lr" in other.out
    told = tuner("replay", "one", *where, "--json").json()
    assert told["differs"]["recorded"]["sgd.lr"] != told["differs"]["proposed"]["sgd.lr"]


def test_a_sweep_whose_driver_is_gone_is_interrupted_and_says_how_far_it_came(tuner, place):
    where = ("--store", f"sqlite:///{place}/tuner.db")
    change(place, status="running", spec=spec_of(place) | {"budget": {"trials": 9}})  # as a killed driver leaves it
    (listed,) = tuner("list", *where, "--json").json()
    assert (listed["status"], listed["counts"]["completed"], listed["budget"]) == ("interrupted", TRIALS, 9)
    assert f"interrupted  {TRIALS}/9" in tuner("list", *where).out
    shown = tuner("show", "one", *where, "--json").json()
    assert (shown["status"], shown["ended"], shown["budget"]) == ("interrupted", TRIALS, 9)
    assert f"interrupted, {TRIALS}/9 trials have ended" in tuner("show", "one", *where).out
    with closing(open_ledger(f"sqlite:///{place}/tuner.db")) as driver, driver.lease("one-1"):
        assert tuner("list", *where, "--json").json()[0]["status"] == "running"


def test_changes_that_were_accepted_are_shown(tuner, place):
    with closing(open_ledger(f"sqlite:///{place}/tuner.db")) as ledger:
        environment = dict(ledger.load("one").environment) | {"torch": "0.1"}
    change(place, environment=environment)
    assert tuner("resume", "one", *options(place), "--quiet").code == 2
    assert tuner("show", "one", "--store", f"sqlite:///{place}/tuner.db", "--json").json()["accepted"] == []
    assert tuner("resume", "one", *options(place), "--quiet", "--accept-changes").code == 0
    shown = tuner("show", "one", "--store", f"sqlite:///{place}/tuner.db", "--json").json()
    (accepted,) = shown["accepted"]
    assert [change.partition(" ->")[0] for change in accepted["changes"]] == ["torch: 0.1"]
    assert accepted["events"] > TRIALS
    assert "went on with changes at" in tuner("show", "one", "--store", f"sqlite:///{place}/tuner.db").out
