"""The pages: whole, strict, escaped and reachable for everybody; signing in; what their forms may do, and for whom."""

from __future__ import annotations

import re
import threading
import time
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from json import dumps, loads
from xml.etree import ElementTree

import pytest
from reading import Page
from service_world import SPEC, new_sweep, queue_up, record, service_of

from tuner.errors import StoreError, TunerError
from tuner.ledger import Recurring, open_ledger
from tuner.service import gallery
from tuner.service.access import FAILURES
from tuner.service.pages.routes.live import stamp
from tuner.service.pages.visitors import COOKIE
from tuner.service.pages.words import ago, happened, moment, shares
from tuner.service.sessions import LIFETIME, MOST, Sessions
from tuner.tracking.mlflow_link import MlflowPages, pages_of
from tuner.trial import Finished, Lost, Objective, Paused, Proposed, Reported, Started, State, TrialSpec

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;"
HTML = {"Accept": "text/html,application/xhtml+xml"}
PATHS = ("/", "/queue", "/schedules", "/schedules/nightly", "/sweeps/done-1", "/sweeps/waiting-1", "/sign-in")
WRONG = ("/nothing", "/sweeps/none", "/schedules/none", "/static/none", "/sweeps/a'b", "/sweeps/done-1/mlflow")


def recur(ledger, name="nightly", owner="ada", text=SPEC):
    facts = {"cron": "0 2 * * *", "zone": "Europe/Berlin", "source": "s.yaml", "folder": None, "priority": 0}
    rules = {"target": "local", "overlap": "skip", "catch_up": 3600.0, "webhook": None, "is_paused": False}
    times = {"created_at": time.time(), "decided_until": time.time()}
    ledger.recurring.add(Recurring(name=name, owner=owner, spec_text=text, **facts, **rules, **times))


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


def get(service, path, role="admin", **more):
    return service("GET", path, role, headers=HTML, follow_redirects=False, **more)


def read(service, path, role="admin"):
    page = Page(get(service, path, role).text)
    assert page.faults == []
    return page


def sign_in(service, role="submit", back="/"):
    """Sign in with a browser; its session."""
    page = read(service, "/sign-in", None)
    assert "token" in page.forms[0][2]
    fields = {"token": service.tokens[role], "back": back, "form_key": key_of(service, "/sign-in")}
    answer = service("POST", "/sign-in", None, data=fields, headers=HTML, follow_redirects=False)
    assert answer.status_code == 303
    return answer


def key_of(service, path, role=None):
    return re.search(r'name="form_key" value="([0-9a-f]{64})"', get(service, path, role).text)[1]


def parsed(drawing):
    return ElementTree.fromstring(drawing)  # noqa: S314 - it is our own


def press(service, path, key=None, role=None, headers=None):
    data = {"other": ""} if key is None else {"form_key": key}
    return service("POST", path, role, data=data, headers=HTML | (headers or {}), follow_redirects=False)


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


# ---------------------------------------------------------------- pictures, live, MLflow


def test_pictures_are_images_that_may_do_nothing(site):
    for name in ("progress", "curves", "rates", "leaders", "optimizers"):
        wide, narrow = (get(site, f"/sweeps/done-1/pictures/{name}.svg{query}") for query in ("", "?narrow=1"))
        assert wide.headers["content-type"] == "image/svg+xml"
        assert wide.headers["content-security-policy"] == gallery.POLICY
        width = [float(parsed(one.text).get("width").removesuffix("pt")) for one in (wide, narrow)]
        assert width[1] < 310 <= width[0] or name in ("leaders", "optimizers")
    assert "nothing to draw yet" in get(site, "/sweeps/waiting-1/pictures/curves.svg").text
    assert get(site, "/sweeps/done-1/pictures/other.svg").status_code == 422


def test_a_picture_is_drawn_again_for_whoever_knows_of_more(ledger, monkeypatch):
    sweep, drawn = ledger.load(record(ledger, "done")), []
    monkeypatch.setattr(gallery, "_DRAWN", dict.fromkeys(("curves", "rates"), lambda results, wide: None))
    monkeypatch.setattr(gallery, "_svg", lambda figure, name, results: drawn.append(name) or f"<svg>{len(drawn)}</svg>")
    kept, at = gallery.Gallery(), ledger.pages.position(sweep.id)
    first = kept.picture(ledger, sweep, "curves", 0, wide=True)
    assert drawn == ["curves", "rates"]
    assert kept.picture(ledger, sweep, "curves", at, wide=True) == first
    assert kept.picture(ledger, sweep, "curves", at + 100, wide=True) == first  # nobody knows of that yet
    kept.picture(ledger, sweep, "curves", at, wide=False)
    assert len(drawn) == 4
    with ledger.lease(sweep.id):
        ledger.append(sweep.id, [Lost(trial=11, attempt=0, at=500.0, reason="again")])
        new = TrialSpec(sweep=sweep.id, index=12, params={"optimizer": "adam"}, seed=1, total_steps=40)
        ledger.append(sweep.id, [Proposed(spec=new, at=501.0)])
    assert kept.picture(ledger, sweep, "curves", at, wide=True) == first
    assert kept.picture(ledger, sweep, "curves", at + 1, wide=True) != first


def test_the_stamp_of_a_page_changes_with_what_it_shows(service):
    the, sweep = service.app.state.service, queue_up(service.ledger)
    before = stamp(the, sweep)
    assert before.startswith("queued ")
    assert f'data-stamp="{before}"' in get(service, f"/sweeps/{sweep}").text
    with service.ledger.lease(sweep):
        trial = TrialSpec(sweep=sweep, index=0, params={}, seed=1, total_steps=40)
        service.ledger.append(sweep, [Proposed(spec=trial, at=1.0)])
    grown = stamp(the, sweep)
    service.ledger.queue.pause(sweep, time.time())
    assert len({before, grown, stamp(the, sweep)}) == 3
    the.streams = 200
    assert "listen already" in service("GET", f"/sweeps/{sweep}/live", "read").json()["detail"]


@pytest.fixture
def mlflow():
    """What an MLflow server says, and what it was asked."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, self.headers.get("Authorization")))
            found = {"experiment": {"experiment_id": "7"}}
            self._answer(*((200, found) if "done" in self.path else (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})))

        def do_POST(self):
            body = loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.asked.append((self.path, body))
            is_there = "'done-1'" in body["filter"]
            self._answer(200, {"runs": [{"info": {"run_id": "abc"}}]} if is_there else {})

        def _answer(self, status, body):
            text = dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_way_into_mlflow(ledger, mlflow, tmp_path):
    done, again, other = (record(ledger, name) for name in ("done", "done", "other"))
    uri = f"http://127.0.0.1:{mlflow.server_port}"
    known = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pw"}
    with service_of(ledger, mlflow=MlflowPages(uri, "https://mlflow.example/", known)) as service:
        assert f"/sweeps/{done}/mlflow" in read(service, f"/sweeps/{done}").links
        answer = get(service, f"/sweeps/{done}/mlflow")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "https://mlflow.example/#/experiments/7/runs/abc",
        )
        (path, credentials), (_, search) = mlflow.asked
        assert path == "/api/2.0/mlflow/experiments/get-by-name?experiment_name=tuner%2Fdone"
        assert credentials == "Basic YWRhOnB3"
        assert search["filter"] == "attributes.run_name = 'done-1' and tags.`tuner.created_at` = '100.0'"
        for sweep in (again, other):
            missing = get(service, f"/sweeps/{sweep}/mlflow")
            assert missing.status_code == 409
            assert f"`tuner sync {sweep}` brings it there" in missing.text
    sweep = ledger.load(done)
    with pytest.raises(StoreError, match=r"MLflow at http://127.0.0.1:1 gave no answer"):
        MlflowPages("http://127.0.0.1:1", "x").address_of(sweep)
    with pytest.raises(TunerError):
        MlflowPages(uri, "x", {"MLFLOW_TRACKING_TOKEN": "t"}).address_of(ledger.load(other))
    assert mlflow.asked[-1][1] == "Bearer t"
    (kept := tmp_path / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = a%b\nmlflow_tracking_password = c\n"
    )
    assert MlflowPages(uri, "x", {}, kept).address_of(sweep) == "x/#/experiments/7/runs/abc"
    assert mlflow.asked[-2][1] == "Basic YSViOmM="
    assert pages_of("sqlite:///mlflow.db", None) is pages_of(None, None) is None
    assert pages_of("http://ada:pw@mlflow:5000", None).pages == "http://mlflow:5000"


# ---------------------------------------------------------------- coming in


def test_signing_in_and_out(service):
    sweep = queue_up(service.ledger)
    assert "Sign in" in read(service, f"/sweeps/{sweep}", None).text
    answer = sign_in(service, back=f"/sweeps/{sweep}")
    assert answer.headers["location"] == f"/sweeps/{sweep}"
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= set(cookie.split("; "))
    assert "secure" not in cookie  # over http a browser would not send it back
    assert service.tokens["submit"] not in str(answer.headers)
    assert get(service, f"/sweeps/{sweep}", None).status_code == 200
    assert service.get("/sweeps", None).status_code == 401  # the interface for programs takes tokens alone
    assert press(service, "/sign-out", key_of(service, "/", None)).headers["location"] == "/sign-in"
    service.http.cookies.set(COOKIE, cookie.partition("=")[2].partition(";")[0])
    assert get(service, "/", None).status_code == 401


def test_over_https_the_cookie_is_for_https_alone(service):
    service.http.base_url = "https://testserver"
    assert "secure" in sign_in(service).headers["set-cookie"].lower().split("; ")


def test_a_wrong_token_opens_nothing_and_is_in_the_log(service):
    key = key_of(service, "/sign-in")
    for guess in range(FAILURES + 1):
        fields = {"token": f"tuner_x_{guess}{EVIL}", "form_key": key, "back": "/"}
        answer = service("POST", "/sign-in", None, data=fields, headers=HTML)
        assert "set-cookie" not in answer.headers
        assert Page(answer.text).faults == []
        assert EVIL not in answer.text
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    kept = [(deed.what, deed.result) for deed in service.ledger.tokens.deeds(100)]
    assert kept.count(("POST /sign-in", "403")) == FAILURES


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/x"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(service, back):
    assert sign_in(service, back=back).headers["location"] == "/"
    shown = service("GET", "/sign-in", None, params={"back": back}, headers=HTML).text
    assert 'name="back" value="/"' in shown


def test_a_session_is_over_with_its_token_and_costs_no_patience(service):
    sign_in(service)
    service.ledger.tokens.revoke("ada", time.time())
    for _ in range(FAILURES + 5):
        assert get(service, "/", None).status_code == 401
    assert get(service, "/", "read").status_code == 200


def test_sessions_end_by_themselves():
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    first = sessions.begin("token")
    assert (sessions.token(first), sessions.token("other"), sessions.token(None)) == ("token", None, None)
    now[0] = LIFETIME
    assert sessions.token(first) is None
    cookies = [sessions.begin(str(number)) for number in range(MOST + 1)]
    assert (sessions.token(cookies[0]), sessions.token(cookies[1]), sessions.token(cookies[-1])) == (
        None,
        "1",
        str(MOST),
    )
    assert sessions.form_key("a") != sessions.form_key("b") != Sessions().form_key("b")
    assert not sessions.is_form_key("a", "\ud800")


# ---------------------------------------------------------------- forms


def test_buttons_do_what_they_say(service):
    sweep = queue_up(service.ledger)
    recur(service.ledger)
    sign_in(service)
    page = f"/sweeps/{sweep}"
    for change, state, shown in (
        ("pause", "paused", "resume"),
        ("resume", "queued", "pause"),
        ("cancel", "cancelled", "resume"),
    ):
        assert f"{page}/{change}" in read(service, page, None).links
        answer = press(service, f"{page}/{change}", key_of(service, page))
        assert (answer.status_code, answer.headers["location"]) == (303, page)
        assert service.ledger.queue.job(sweep).state == state
        assert f"{page}/{shown}" in read(service, page, None).links
    refused = press(service, f"{page}/pause", key_of(service, page))
    assert refused.status_code == 409
    assert "cannot be paused: it is cancelled" in Page(refused.text).text
    for change, is_paused in (("pause", True), ("resume", False)):
        assert f"/schedules/nightly/{change}" in read(service, "/schedules/nightly", None).links
        assert press(service, f"/schedules/nightly/{change}", key_of(service, page)).status_code == 303
        assert service.ledger.recurring.get("nightly").is_paused is is_paused
    assert press(service, "/schedules/nightly/run", key_of(service, page)).status_code == 303
    shown = read(service, "/schedules/nightly", None)
    assert "not known yet" in shown.text
    assert [deed.who for deed in service.ledger.tokens.deeds(1)] == ["ada"]


def test_a_form_is_taken_from_our_pages_only(service):
    sweep = queue_up(service.ledger)
    sign_in(service)
    path, key = f"/sweeps/{sweep}/cancel", key_of(service, "/")
    theirs = key[:-1] + ("0" if key[-1] != "0" else "1")
    foreign = [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
    refused = [
        press(service, path),
        press(service, path, theirs),
        *(press(service, path, key, headers=h) for h in foreign),
    ]
    service.http.cookies.clear()
    refused.append(press(service, path, key, role="submit"))  # a key of another session
    assert [answer.status_code for answer in refused] == [403] * 5
    assert "load the page again" in refused[0].text
    json = service("POST", path, "submit", json={"form_key": key})
    many = service("POST", path, "submit", data={f"f{n}": "" for n in range(50)})
    bytes_ = service(
        "POST", path, "submit", content=b"\xff", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert [json.status_code, many.status_code, bytes_.status_code] == [415, 400, 400]
    assert service.ledger.queue.job(sweep).state == "queued"


def test_who_may_not_is_shown_no_button_and_refused(service):
    other = queue_up(service.ledger, owner="grace")
    recur(service.ledger, owner="grace")
    for role, status in (("read", 403), ("submit", 403), ("admin", 303)):
        service.http.cookies.clear()
        sign_in(service, role)
        links = [
            link
            for path in ("/queue", f"/sweeps/{other}", "/schedules/nightly")
            for link in read(service, path, None).links
        ]
        assert (f"/sweeps/{other}/cancel" in links) is (role == "admin")
        assert ("/schedules/nightly/pause" in links) is (role == "admin")
        key = key_of(service, "/")
        assert press(service, "/schedules/nightly/pause", key).status_code == status
        assert press(service, f"/sweeps/{other}/cancel", key).status_code == status


def test_on_this_machine_without_tokens_the_pages_are_open_and_their_forms_are_safe(ledger):
    with service_of(ledger, tokens=False) as service:
        sweep = queue_up(ledger)
        assert "Sign out" not in read(service, "/", None).text
        assert press(service, f"/sweeps/{sweep}/cancel").status_code == 403
        assert press(service, f"/sweeps/{sweep}/cancel", key_of(service, f"/sweeps/{sweep}")).status_code == 303


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
