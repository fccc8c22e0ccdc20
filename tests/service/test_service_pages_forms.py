"""Coming in with a browser and going out; what forms may do, and for whom."""

from __future__ import annotations

import time

import pytest
from reading import Page
from service_world import queue_up, service_of
from visiting import EVIL, HTML, get, key_of, press, read, recur, sign_in

from tuner.service.access import FAILURES
from tuner.service.pages.visitors import COOKIE
from tuner.service.sessions import LIFETIME, MOST, Sessions


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
