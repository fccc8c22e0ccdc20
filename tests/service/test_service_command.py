"""`tuner serve`, `tuner token`, and every command asked of a service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from service_world import SPEC, answering, record

from tuner.cli.app import main
from tuner.client import Client
from tuner.ledger import open_ledger
from tuner.ledger.tokens import Role


@pytest.fixture
def tuner(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("TUNER_SERVER", "TUNER_TOKEN", "TUNER_STORE"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(a) for a in arguments])
        shown = capsys.readouterr()
        return int(exit_.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A service with a sweep that is done and an admin's token, and its store."""
    store = f"sqlite:///{tmp_path_factory.mktemp('asked')}/store.db"
    with closing(open_ledger(store)) as ledger:
        record(ledger, "done")
        token = ledger.tokens.add("root", Role.ADMIN, at=time.time())
        with answering(ledger) as server:
            yield server, token, store


def test_tokens_are_made_listed_revoked_and_audited(tuner):
    code, out, _ = tuner("token", "add", "ci", "--role", "submit", "--expires", "30d", "--json")
    made = json.loads(out)
    assert (code, made["name"], made["role"]) == (0, "ci", "submit")
    assert made["token"].startswith("tuner_")
    assert 29.9 * 86_400 < made["expires_at"] - time.time() <= 30 * 86_400
    assert "shown this once" in tuner("token", "add", "ada", "--role", "read")[1]
    assert tuner("token", "revoke", "ci")[0] == 0
    listed = tuner("token", "list")[1]
    assert [word for word in ("ci", "submit", "revoked", "ada", "never") if word not in listed] == []
    assert made["token"] not in listed
    deeds = json.loads(tuner("token", "audit", "--json")[1])
    assert [deed["what"] for deed in deeds] == ["token revoke ci", "token add ada read", "token add ci submit"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "ci", "--role", "submit", "--expires", "soon"], "--expires: expected a time such as 12h, 30d or 8w"),
        (["add", "Ci", "--role", "submit"], "token name: expected lower-case letters"),
        (["add", "ci", "--role", "god"], "god"),
        (["add", "ci"], "--role"),
        (["revoke", "nobody"], "unknown token 'nobody'"),
    ],
)
def test_mistakes_with_tokens(tuner, arguments, message):
    tuner("token", "add", "first", "--role", "read")
    code, _, err = tuner("token", *arguments)
    assert code == 2
    assert message in err


SAME = [
    ["list"],
    ["show", "done-1", "--top", "3"],
    ["show", "done", "--trial", "2"],
    ["best", "done"],
    ["compare", "done-1"],
    ["export", "done-1", "--format", "csv"],
    ["export", "done-1", "--format", "script", "--trial", "1"],
    ["queue", "list"],
    ["schedule", "list"],
]


@pytest.mark.parametrize("command", SAME, ids=" ".join)
def test_a_command_says_the_same_of_a_service_as_of_its_store(tuner, asked, monkeypatch, command):
    server, token, store = asked
    for form in ([], ["--json"]):
        at_home = tuner(*command, "--store", store, *form)
        monkeypatch.setenv("TUNER_TOKEN", token)
        assert tuner("--server", server, *command, *form) == at_home
        assert at_home[0] == 0


def test_a_server_without_a_name_is_none(tuner, asked, monkeypatch):
    monkeypatch.setenv("TUNER_SERVER", "")
    monkeypatch.setenv("TUNER_TOKEN", "")
    assert "done-1" in tuner("list", "--store", asked[2])[1]


def test_a_sweep_is_handed_over_watched_and_cancelled_from_afar(tuner, asked, monkeypatch, tmp_path):
    monkeypatch.setenv("TUNER_SERVER", asked[0])
    monkeypatch.setenv("TUNER_TOKEN", asked[1])
    (tmp_path / "mine.yaml").write_text(SPEC)
    assert "mine-1 is queued" in tuner("submit", "mine.yaml")[1]
    assert tuner("queue", "pause", "mine-1")[0] == 0
    assert tuner("resume", "mine-1")[1] == "mine-1 is queued\n"
    assert tuner("queue", "cancel", "mine-1")[0] == 0
    code, out, _ = tuner("report", "done-1", "--output", "reports")
    assert (code, out.strip()) == (0, "reports/done-1/report.html")
    assert "<html" in (tmp_path / "reports/done-1/report.html").read_text()
    assert asked[0] in tuner("doctor")[1]
    code, _, err = tuner("show", "dome-1")
    assert code == 2
    assert "did you mean 'done-1'" in err


@pytest.mark.parametrize(
    "command",
    [["run", "x.yaml"], ["rerun", "done-1", "0"], ["sync", "done-1"], ["work"], ["serve"], ["token", "list"]],
    ids=str,
)
def test_what_needs_a_database_says_so(tuner, asked, tmp_path, command):
    (tmp_path / "x.yaml").write_text(SPEC)
    code, _, err = tuner("--server", asked[0], *command)
    assert code == 2
    assert "this command works on a database, not on the service at http://127.0.0.1:" in err


def test_a_public_address_wants_a_token_first(tuner):
    code, _, err = tuner("serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - refused
    assert code == 2
    assert err == (
        "error: --host 0.0.0.0: others than this machine can reach it, and there is no token yet; make one first: "
        "`tuner token add NAME --role admin`\n"
    )


def test_what_serve_cannot_do(tuner, asked):
    assert "did you mean 'iris'" in tuner("serve", "--workloads", "irys")[2]
    code, _, err = tuner("serve", "--port", asked[0].rpartition(":")[2])
    assert code == 1
    assert "cannot listen on 127.0.0.1 port" in err


def test_a_service_runs_what_it_is_handed_and_leaves_it_running_when_it_ends(tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    command = [sys.executable, "-m", "tuner", "serve", "--port", "0", "--store", store, "--mlflow", "none"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TUNER_")}
    serving = subprocess.Popen(
        [*command, "--output", str(tmp_path / "out")], stdout=subprocess.PIPE, text=True, env=environment
    )
    with serving, closing(open_ledger(store)) as ledger:
        assert serving.stdout is not None
        address = serving.stdout.readline().split()[2].rstrip(";")
        with Client(server=address) as client:
            spec = SPEC.replace("iris", "noisy-quadratic").replace("accuracy", "loss")
            job = client.submit(spec.replace("{trials: 12, steps: 40}", "{trials: 6, steps: 400}"))
            heard = next(client.events(job.sweep))  # it runs
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == 0
        assert heard.position == 1
        deadline = time.monotonic() + 60
        while ledger.summary(job.sweep).status != "done":
            assert time.monotonic() < deadline
            time.sleep(0.1)
