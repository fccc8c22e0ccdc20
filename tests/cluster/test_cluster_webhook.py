"""Telling others: which hosts, how often, and how the ends of recurring sweeps are judged and told once."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing

import httpx2
import pytest
from cluster_fakes import Clock, drafted, recurring

from tuner.cluster import Scheduler, Webhook
from tuner.cluster import recurring as recurring_module
from tuner.cluster import webhook as webhook_module
from tuner.errors import UsageError
from tuner.ledger import open_ledger
from tuner.ledger.holder import Holder
from tuner.ledger.recurring import PATIENCE
from tuner.trial import Finished, Proposed, State, TrialSpec

URL = "https://hooks.example/secret"


class Host:
    """Answers with the codes that it was given, the last one for ever; a code of 0 is a broken connection."""

    def __init__(self, *codes):
        self.codes, self.heard = list(codes), []

    def __call__(self, request):
        self.heard.append(request)
        code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
        if not code:
            raise httpx2.ConnectError("connection refused")
        return httpx2.Response(code, headers={"location": "https://elsewhere.example"}, text="x" * 10)


def webhook(host, *allowed):
    return Webhook(allowed or ("hooks.example",), httpx2.MockTransport(host), pause=0.0)


@pytest.mark.parametrize(
    ("codes", "said", "tries"),
    [
        ((200,), "hooks.example answered 200", 1),
        ((0, 503, 204), "hooks.example answered 204", 3),
        ((404,), "hooks.example answered 404", 1),
        ((302,), "hooks.example answered 302", 1),
        ((500,), "hooks.example was not reached in 3 tries: it answered 500", 3),
        ((429, 0), "hooks.example was not reached in 3 tries: connection refused", 3),
    ],
)
def test_a_host_is_told_in_a_few_tries_and_never_followed_elsewhere(codes, said, tries):
    host = Host(*codes)
    assert webhook(host).tell(URL, {"text": "hello"}) == said
    assert [str(request.url) for request in host.heard] == [URL] * tries
    assert json.loads(host.heard[0].content) == {"text": "hello"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "http://hooks.example/secret",
            "expected an address that begins with https://, got 'http://hooks.example/...'",
        ),
        ("https://user:pw@hooks.example/", "expected an address that begins with https://"),
        ("https://hooks.example.evil/x", "hooks.example.evil is not an allowed host (allowed: hooks.example)"),
        ("https://127.0.0.1/x", "127.0.0.1 is not an allowed host"),
        ("ftp://hooks.example", "begins with https://"),
        ("hooks.example", "begins with https://"),
        ("https://hooks.example:abc/secret", "a port from 1 to 65535"),
        ("https://hooks.example:99999999/secret", "a port from 1 to 65535"),
        ("https://hooks.example/sec\x01ret", "no control characters"),
        ("https://hooks.exa\tmple/secret", "no control characters"),
        ("https://[::1", "got one that cannot be read"),
        ("https://hooks..example/secret", "got one that cannot be read"),
    ],
)
def test_nobody_else_is_told_anything(url, message):
    host = Host(200)
    with pytest.raises(UsageError) as raised:
        webhook(host).check(url)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)
    assert message in webhook(host).tell(url, {})
    assert host.heard == []


def test_a_host_that_never_comes_to_an_end_is_left_alone(monkeypatch):
    class Dripping(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request):
            while True:
                await asyncio.sleep(0.001)

    monkeypatch.setattr(webhook_module, "IN_ALL", 0.05)
    told = Webhook(["hooks.example"], Dripping()).tell(URL, {})
    assert told == "hooks.example was not reached in 0.05 s"


def test_the_hosts_are_those_of_the_environment(monkeypatch):
    monkeypatch.setenv("TUNER_WEBHOOK_HOSTS", "one.example, Two.example")
    for host in ("one.example", "two.example"):
        Webhook.of_environment().check(f"https://{host}/x")
    monkeypatch.delenv("TUNER_WEBHOOK_HOSTS")
    with pytest.raises(UsageError, match="allowed: none"):
        Webhook.of_environment().check("https://one.example/x")


@pytest.fixture
def ledger(tmp_path):
    with closing(open_ledger(f"sqlite:///{tmp_path}/tuner.db")) as opened:
        yield opened


def run(ledger, clock, one, losses, state="done"):
    """The next due time comes, its sweep runs, and ends with these losses of each optimizer."""
    clock.now += 60.0
    one.turn()
    job = ledger.queue.take(Holder.here(), limit=9, per_owner=9, at=clock.now)
    events, index = [], 0
    for optimizer, values in losses.items():
        for value in values:
            params = {"optimizer": optimizer}
            spec = TrialSpec(sweep=job.sweep, index=index, params=params, seed=0, total_steps=1)
            end = {"outcome": State.COMPLETED, "values": {"loss": value}}
            events += [Proposed(spec=spec, at=1.0), Finished(trial=index, attempt=0, at=2.0, step=1, **end)]
            index += 1
    with ledger.lease(job.sweep):
        ledger.append(job.sweep, events)
    ledger.queue.ended(job, state, "", clock.now)
    one.turn()
    return ledger.recurring.history("nightly", limit=1)[0]


GOOD, BAD = [0.1 + n / 1000 for n in range(12)], [0.9 + n / 1000 for n in range(12)]


def test_each_end_is_compared_with_the_one_before_and_told_once(ledger):
    host, clock = Host(200), Clock(0.0)
    ledger.recurring.add(recurring(webhook=URL))
    one = Scheduler(ledger, webhook(host), clock=clock, draft=drafted)
    first = run(ledger, clock, one, {"adam": GOOD, "sgd": BAD})
    assert first.note == "adam won, loss 0.1"
    assert first.told == "hooks.example answered 200"
    again = run(ledger, clock, one, {"adam": GOOD, "sgd": BAD})
    assert again.note == "adam won, loss 0.1; as in nightly-1; its values and those of nightly-1 are not told apart"
    failed = run(ledger, clock, one, {}, state="failed")
    assert failed.note == "nothing was completed"
    other = run(ledger, clock, one, {"adam": BAD, "sgd": GOOD})
    assert "sgd won, loss 0.1; the winner changed beyond noise: adam won nightly-2 (p = " in other.note
    told = [json.loads(request.content) for request in host.heard]
    assert [(what["sweep"], what["state"], what["winner_changed"]) for what in told] == [
        ("nightly-1", "done", False),
        ("nightly-2", "done", False),
        ("nightly-3", "failed", False),
        ("nightly-4", "done", True),
    ]
    assert told[0]["text"] == "nightly-1 (1970-01-01T00:01+00:00) done: adam won, loss 0.1"
    one.turn()
    assert len(host.heard) == 4


def test_what_a_scheduler_began_to_tell_and_did_not_is_told_by_another_later(ledger):
    host, clock = Host(200), Clock(60.0)
    ledger.recurring.add(recurring(webhook=URL))
    one = Scheduler(ledger, webhook(host), clock=clock, draft=drafted)
    one.turn()
    ledger.recurring.pause("nightly")
    ledger.queue.cancel("nightly-1", 61.0)
    (firing,) = ledger.recurring.untold()
    assert ledger.recurring.claim(firing, clock.now)  # and is killed
    clock.now += PATIENCE
    one.turn()
    assert host.heard == []
    clock.now += 1
    one.turn()
    assert len(host.heard) == 1


def ended(ledger, clock, sweeps, **facts):
    """A recurring sweep some of whose due times have ended, untold."""
    ledger.recurring.add(recurring(**facts))
    Scheduler(ledger, Webhook(()), clock=clock, draft=drafted).turn()
    ledger.recurring.pause("nightly")
    for sweep in sweeps:
        ledger.queue.cancel(sweep, clock.now)


class Slow:
    """A webhook each of whose tellings takes so many seconds by the clock of ``monkeypatch``."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds, self.told = 0.0, seconds, []
        monkeypatch.setattr(recurring_module.time, "monotonic", lambda: self.now)

    def tell(self, url, what):
        self.now += self.seconds
        self.told.append(what["sweep"])
        return "told"


def test_slow_hosts_do_not_keep_the_calendar_waiting(ledger, monkeypatch):
    clock, slow = Clock(300.0), Slow(monkeypatch, 6.0)
    ended(ledger, clock, [f"nightly-{n}" for n in range(1, 6)], webhook=URL)
    one = Scheduler(ledger, slow, clock=clock, draft=drafted)
    one.turn()
    assert slow.told == ["nightly-1", "nightly-2"]
    ledger.recurring.resume("nightly", 300.0)
    clock.now = 360.0
    one.turn()
    assert ledger.recurring.history("nightly", limit=1)[0].due_at == 360.0
    assert slow.told[2:] == ["nightly-3", "nightly-4"]


def test_nothing_more_is_told_once_it_is_over(ledger, monkeypatch):
    clock, slow = Clock(300.0), Slow(monkeypatch, 0.0)
    ended(ledger, clock, ["nightly-1", "nightly-2"], webhook=URL)
    one = Scheduler(ledger, slow, clock=clock, draft=drafted)
    one.turn(lambda: bool(slow.told))
    assert slow.told == ["nightly-1"]
    one.turn(lambda: False)
    assert slow.told == ["nightly-1", "nightly-2"]


def test_an_end_that_cannot_be_told_stops_no_other(ledger, caplog):
    class Broken:
        def tell(self, url, what):
            raise OverflowError("port")

    clock = Clock(120.0)
    ended(ledger, clock, ["nightly-1", "nightly-2"], webhook=URL)
    Scheduler(ledger, Broken(), clock=clock, draft=drafted).turn()
    assert [f.told for f in ledger.recurring.history("nightly", limit=9)] == ["not told: OverflowError: port"] * 2
    assert "OverflowError: port" in caplog.text
    assert "Traceback" in caplog.text
