"""The pages: whole, strict, escaped and reachable for everybody; and what they say."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

import pytest
from reading import Page
from service_world import new_sweep, queue_up, record, service_of
from visiting import EVIL, HTML, get, parsed, read, recur

from tuner.ledger import open_ledger
from tuner.service.pages.words import ago, happened, moment, shares
from tuner.trial import Finished, Lost, Objective, Paused, Proposed, Reported, Started, State, TrialSpec

PATHS = ("/", "/queue", "/schedules", "/schedules/nightly", "/sweeps/done-1", "/sweeps/waiting-1", "/sign-in")
WRONG = ("/nothing", "/sweeps/none", "/schedules/none", "/static/none", "/sweeps/a'b", "/sweeps/done-1/mlflow")


def misnamed(ledger):
    """A sweep whose every text is somebody's try at running a script."""
    new = new_sweep("evil")
    spec = {**new.spec, "workload": EVIL}
    new = replace(
        new, name=f"x{EVIL}", spec=spec, spec_text=EVIL, objectives=[Objective(metric=EVIL, direction="maximize")]
    )
    sweep = ledger.queue.submit(new, owner=EVIL, at=time.time()).id
    params = {"optimizer": EVIL, f"{EVIL}.lr": 0.1, "schedule": EVIL, "note": EVIL}
    with ledger.lease(sweep):
        for index in range(3):
            own = params | {"note": f"{EVIL}{index}"}
            trial = TrialSpec(sweep=sweep, index=index, params=own, seed=0, total_steps=9)
            here = {"trial": index, "attempt": 0, "at": 3.0, "step": 9}
            ends = (
                {"outcome": State.FAILED, "note": EVIL}
                if index
                else {"outcome": State.COMPLETED, "values": {EVIL: 1.0}}
            )
            ledger.append(sweep, [Proposed(spec=trial, at=1.0), Started(trial=index, attempt=0, at=2.0, worker=EVIL)])
            ledger.append(sweep, [Reported(**here, metrics={EVIL: 0.5}), Finished(**here, **ends)])
    return sweep


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A service with a sweep that is done, one that waits, one that was misnamed, and a recurring one."""
    with closing(open_ledger(f"sqlite:///{tmp_path_factory.mktemp('pages')}/store.db")) as ledger:
        record(ledger, "done")
        queue_up(ledger)
        recur(ledger)
        misnamed(ledger)
        with service_of(ledger) as service:
            yield service


# ---------------------------------------------------------------- every page


@pytest.mark.parametrize("path", [*PATHS, *WRONG])
@pytest.mark.parametrize("role", ["admin", "read", None])
def test_every_page_is_whole_and_strict(site, path, role):
    answer = get(site, path, role)
    page = Page(answer.text)
    assert page.faults == []
    assert "main" in page.ids
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
    )
    assert "unsafe" not in policy
    assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} <= set(policy.split("; "))
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert answer.headers["referrer-policy"] == "same-origin"  # else a browser's forms come from "null"
    for method, action, fields in page.forms:
        assert (method, action) == ("get", "/") or "form_key" in fields
    if role is None and path not in ("/sign-in", "/nothing", "/static/none"):
        assert answer.status_code == 401
        assert "Sign in" in page.text
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links)


def test_every_link_leads_somewhere(site):
    seen, left = {}, {"/"}
    while left:
        path = left.pop()
        answer = get(site, path, "read")
        seen[path] = answer.status_code
        if (
            answer.headers["content-type"].startswith("text/html")
            and "sandbox" not in answer.headers["content-security-policy"]
        ):
            page = Page(answer.text)
            left |= {link for link in page.links if not link.startswith("#")} - seen.keys()
    posts = {path for path in seen if path.endswith(("/cancel", "/pause", "/resume", "/run", "/sign-out"))}
    assert posts == set()  # a reader is shown no button
    odd = {path: status for path, status in seen.items() if status != 200 and "script%3E" not in path}
    assert odd == {}
    assert len(seen) > 15


def test_what_people_called_things_is_text(site):
    for path in ("/", "/queue"):
        page = read(site, path)
        assert EVIL in page.text
        assert "<script>alert" not in get(site, path).text
    searched = site("GET", "/", "read", params={"name": EVIL}, headers=HTML)
    assert Page(searched.text).faults == []
    assert "<script>alert" not in searched.text


def test_a_sweep_whose_texts_are_scripts(tmp_path):
    with closing(open_ledger(f"sqlite:///{tmp_path}/store.db")) as ledger:
        sweep = misnamed(ledger)
        with ledger._database.writing() as connection:
            connection.exec_driver_sql("UPDATE sweeps SET id = 'evil-1', name = 'evil'")
        assert sweep != "evil-1"
        with service_of(ledger) as service:
            answer = get(service, "/sweeps/evil-1")
            page = Page(answer.text)
            assert page.faults == []
            assert "<script>alert" not in answer.text
            assert page.text.count("<script>alert(1)</script>") > 8
            for name in ("progress", "curves", "rates", "leaders", "optimizers"):
                drawn = get(service, f"/sweeps/evil-1/pictures/{name}.svg").text
                assert [one.tag for one in parsed(drawn).iter() if one.tag.endswith("}script")] == []


def test_a_page_says_where_things_stand(site):
    text = " ".join(read(site, "/").text.split())
    assert "done-1iris done11 of 12" in text
    assert "At 02:00 every day" in text
    text = " ".join(read(site, "/sweeps/done-1").text.split())
    for words in ("8 completed", "1 pruned", "1 diverged", "1 failed", "it <b>broke</b>", "Trial 11 was lost: gone"):
        assert words in text
    assert "Put aside" not in read(site, "/queue").text
    waiting = read(site, "/?status=queued").links
    assert ("/sweeps/waiting-1" in waiting, "/sweeps/done-1" in waiting) == (True, False)
    assert "No sweep is so." in read(site, "/?name=nobody").text
    assert "done-1" in read(site, "/?name=done&status=nonsense").text


def test_an_empty_service_says_how_to_begin(service):
    assert "submit examples/digits.yaml" in read(service, "/").text
    assert "schedule add nightly" in read(service, "/schedules").text
    assert "Nothing waits." in read(service, "/queue").text


def test_long_lists_come_by_the_page(service):
    for number in range(30):
        queue_up(service.ledger, f"sweep-{number}")
    first = read(service, "/")
    older = next(link for link in first.links if "after=" in link)
    second = read(service, older)
    assert len([one for one in {*first.links, *second.links} if one.startswith("/sweeps/")]) == 30
    assert not [link for link in second.links if "after=" in link]


def test_problems_are_pages_for_browsers_and_documents_for_programs(site):
    assert "unknown sweep &#39;none&#39;" in get(site, "/sweeps/none").text
    assert site("GET", "/sweeps/none", "read").json()["title"] == "Not Found"
    refused = get(site, "/api/v1/sweeps", None)
    assert (refused.status_code, "form_key" in refused.text) == (401, False)  # no session would open it
    assert "Authorization: Bearer" in refused.text
    assert refused.headers["www-authenticate"] == "Bearer"


def test_files_are_kept_and_nothing_else_is_served(site):
    page = read(site, "/sign-in", None)
    for path in [link for link in page.links if link.startswith("/static/")]:
        answer = get(site, path, None)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    for path in ("/static/..%2frendering.py", "/static/%2e%2e/words.py", "/static/base.html"):
        assert get(site, path, None).status_code == 404


# ---------------------------------------------------------------- words


def test_moments_in_words():
    assert [ago(1_000, 1_000 + away) for away in (0, 59, 60, 7_200, 90_000)] == [
        "now",
        "now",
        "1 minute ago",
        "2 hours ago",
        "1 day ago",
    ]
    assert ago(1_000 + 3 * 86_400, 1_000) == "in 3 days"
    assert moment(1_772_366_700, "Europe/Berlin") == "2026-03-01 13:05 CET"


def test_a_bar_is_as_long_as_the_budget_or_as_what_there_is():
    counts = {State.COMPLETED: 30, State.FAILED: 10, State.RUNNING: 10, State.WAITING: 5}
    assert [(one.start, one.width) for one in shares(counts, 100)] == [(0, 30), (30, 10), (40, 10), (50, 5)]
    assert sum(one.width for one in shares({State.COMPLETED: 3}, None)) == 100
    assert shares({}, None) == ()
    assert shares({State.COMPLETED: 8}, 4)[0].width == 100  # more than was planned


def test_events_in_words():
    trial = TrialSpec(sweep="s-1", index=3, attempt=1, params={}, seed=0, total_steps=9, resume_step=1_200)
    here = {"trial": 3, "attempt": 0, "at": 0.0}
    told = [
        Proposed(spec=trial, at=0.0),
        Paused(**here, step=30, values={"accuracy": 0.5}),
        Finished(**here, step=1, outcome=State.FAILED, note="Traceback\nValueError: no\n"),
        Lost(**here, reason=""),
    ]
    assert [happened(event) for event in told] == [
        "waits to go on after step 1,200",
        "paused after step 30: accuracy 0.5",
        "failed after 1 step: ValueError: no",
        "was lost",
    ]
