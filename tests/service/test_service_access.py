"""Who may do what: every route there is has a role, and nobody comes in without one."""

from __future__ import annotations

import time

from fastapi.routing import iter_route_contexts
from service_world import queue_up, service_of

from tuner.ledger.tokens import Role
from tuner.service import access as module
from tuner.service.access import FAILURES, Needs

PROBES = {"/health", "/ready"}
OPEN = PROBES | {"/sign-in", "/sign-out", "/static/{name}"}  # and what a reader needs to show a token at all


def routes(app):
    """Every route with what it needs: (method, path, role or None)."""
    for route in iter_route_contexts(app.routes):
        needs = [one.call for one in flat(route.dependant) if isinstance(one.call, Needs)]
        yield min(route.methods), route.path, needs[0].role if needs else None


def flat(dependant):
    yield dependant
    for inner in dependant.dependencies:
        yield from flat(inner)


def filled(path):
    return path.replace("{sweep}", "done-1").replace("{index}", "0").replace("{name}", "nightly")


def test_every_route_has_a_role_but_those_that_are_named_here(looked_at):
    known = list(routes(looked_at.app))
    assert len(known) > 30
    assert {path for _, path, role in known if role is None} == OPEN
    assert {path for method, path, role in known if role is Role.READ and method != "GET"} == set()


def test_no_route_answers_without_a_token(looked_at):
    for method, path, role in routes(looked_at.app):
        if role is not None:
            answers = [
                looked_at(method, filled(path), None),
                looked_at(method, filled(path), None, headers={"Authorization": "Basic cm9vdDpyb290"}),
            ]
            assert {answer.status_code for answer in answers} == {401}, (method, path)
            assert answers[0].headers["WWW-Authenticate"] == "Bearer"
            assert answers[0].json()["detail"].startswith("expected a token")


def test_a_role_does_what_it_covers_and_nothing_else(looked_at):
    for method, path, role in routes(looked_at.app):
        for held in ("read", "submit"):
            if role is not None and not Role(held).covers(role):
                answer = looked_at(method, filled(path), held)
                assert answer.status_code == 403, (method, path)
                assert answer.json()["detail"] == f"expected a token with the role {role.value}, got {held}"


def test_probes_want_no_token(looked_at):
    for path in PROBES:
        assert looked_at("GET", path, None).json()["status"] == "ok"


def test_a_revoked_token_opens_nothing_from_the_next_request_on(service):
    assert service.get("/sweeps").status_code == 200
    service.ledger.tokens.revoke("reader", time.time())
    refused = service.get("/sweeps")
    assert (refused.status_code, refused.json()["detail"]) == (
        401,
        "the token is wrong, revoked or expired; `tuner token add` makes one",
    )


def test_an_expired_token_opens_nothing(service, monkeypatch):
    now = time.time()
    service.tokens["short"] = service.ledger.tokens.add("short", Role.READ, at=now, expires_at=now + 60)
    assert service.get("/sweeps", "short").status_code == 200
    monkeypatch.setattr(module.time, "time", lambda: now + 61)
    assert service.get("/sweeps", "short").status_code == 401


def test_whoever_guesses_tokens_is_made_to_wait(service):
    right = service.tokens["read"]
    guesses = [f"{right[:-1]}{letter}" for letter in "abcdefghijklmnop"]
    for guess in guesses:
        service.tokens["guess"] = guess
        answer = service.get("/sweeps", "guess")
        if answer.status_code == 429:
            break
    assert guesses.index(guess) in (FAILURES, FAILURES + 1)  # one of them may be the right one
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["detail"].startswith("too many wrong tokens; wait ")
    assert service.get("/sweeps").status_code == 200  # a right one from the same address is let in
    assert service.get("/sweeps", "guess").status_code == 429
    assert service.post("/sweeps/any-1/cancel", "guess").status_code == 429
    assert service("GET", "/health", None).status_code == 200
    kept = [deed.result for deed in service.ledger.tokens.deeds(100)]
    assert kept == ["401"] * FAILURES  # and the log is not filled with the rest


def test_neighbours_in_one_ipv6_network_share_their_patience():
    assert module._neighbourhood("2001:db8:1:2::7") == module._neighbourhood("2001:db8:1:2:ffff::1")
    assert module._neighbourhood("2001:db8:1:3::7") != module._neighbourhood("2001:db8:1:2::7")
    assert module._neighbourhood("192.0.2.7") == "192.0.2.7"


def test_on_this_machine_everybody_is_admin_until_there_ever_was_a_token(ledger):
    with service_of(ledger, tokens=False) as service:
        assert service.get("/sweeps", None).status_code == 200
        assert service.post(f"/sweeps/{queue_up(ledger)}/cancel", None).status_code == 200
        ledger.tokens.add("first", Role.READ, at=time.time())
        assert service.get("/sweeps", None).status_code == 401
        ledger.tokens.revoke("first", time.time())
        assert service.get("/sweeps", None).status_code == 401


def test_a_public_service_lets_nobody_in_without_tokens(ledger):
    with service_of(ledger, tokens=False, is_private=False) as service:
        assert service.get("/sweeps", None).status_code == 401


def test_a_submitter_changes_its_own_sweeps_and_an_admin_anybodys(service):
    mine, other = queue_up(service.ledger, owner="ada"), queue_up(service.ledger, owner="grace")
    assert service.post(f"/sweeps/{mine}/pause").json()["state"] == "paused"
    for change in ("pause", "cancel", "resume"):
        refused = service.post(f"/sweeps/{other}/{change}")
        assert (refused.status_code, refused.json()["detail"]) == (
            403,
            f"{other} is not ada's; expected its owner, or a token of an admin",
        )
    assert service("PATCH", f"/api/v1/queue/{other}", "submit", json={"priority": 1}).status_code == 403
    assert service.ledger.queue.job(other).state == "queued"
    assert service.post(f"/sweeps/{other}/cancel", "admin").json()["state"] == "cancelled"


def test_strangers_write_nothing_into_the_audit_log(service):
    for method, path in (("POST", "/nothing"), ("DELETE", "/health"), ("POST", "/sign-in"), ("PUT", "/api/v1/sweeps")):
        for headers in ({}, {"Authorization": "Basic cm9vdDpyb290"}):
            assert service(method, path, None, headers=headers).status_code >= 400
    assert service("GET", "/api/v1/sweeps", None, headers={"Authorization": "Basic x"}).status_code == 401
    assert service.ledger.tokens.deeds(100) == []


def test_the_audit_log_has_every_change_and_every_refusal_and_no_secret(service):
    sweep = queue_up(service.ledger)
    service.get("/sweeps")
    service.post(f"/sweeps/{sweep}/cancel")
    service.post(f"/sweeps/{sweep}/cancel", "read")
    service.tokens["guess"] = "tuner_nobody_nothing"
    service.get("/sweeps", "guess")
    service.get("/sweeps", None)
    deeds = service.ledger.tokens.deeds(100)
    assert [(deed.who, deed.what, deed.origin, deed.result) for deed in deeds] == [
        ("", "GET /api/v1/sweeps", "testclient", "401"),
        ("reader", f"POST /api/v1/sweeps/{sweep}/cancel", "testclient", "403"),
        ("ada", f"POST /api/v1/sweeps/{sweep}/cancel", "testclient", "200"),
    ]
    assert not any(secret in str(deeds) for secret in service.tokens.values())
