"""Visiting the pages as a browser does, one request after the other: reading, signing in, pressing buttons."""

from __future__ import annotations

import re
import time
from xml.etree import ElementTree

from reading import Page
from service_world import SPEC

from tuner.ledger import Recurring

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;"
HTML = {"Accept": "text/html,application/xhtml+xml"}


def recur(ledger, name="nightly", owner="ada", text=SPEC):
    facts = {"cron": "0 2 * * *", "zone": "Europe/Berlin", "source": "s.yaml", "folder": None, "priority": 0}
    rules = {"target": "local", "overlap": "skip", "catch_up": 3600.0, "webhook": None, "is_paused": False}
    times = {"created_at": time.time(), "decided_until": time.time()}
    ledger.recurring.add(Recurring(name=name, owner=owner, spec_text=text, **facts, **rules, **times))


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
