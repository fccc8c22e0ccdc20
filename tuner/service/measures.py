"""What Prometheus is told: how requests fare, and where sweeps, trials and the queue stand."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuner.ledger import SqlLedger

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds


class Measures:
    """The measures of one service."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._registry = CollectorRegistry()
        self.requests = Histogram(
            "tuner_request_seconds",
            "Seconds from a request to the beginning of its answer",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self.streams = Gauge("tuner_event_streams", "Clients that listen to events", registry=self._registry)
        self._registry.register(_Ledger(ledger))

    def text(self) -> bytes:
        """Everything in Prometheus's text format. Raises StoreError where the database does not answer."""
        return generate_latest(self._registry)


class Timing:
    """Measures how long requests take, by route, never by path: a path may be anything."""

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self.app, self._measures = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def send_and_measure(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                labels = (_method(scope["method"]), route, str(message["status"]))
                self._measures.requests.labels(*labels).observe(time.perf_counter() - begun)
            await send(message)

        await self.app(scope, receive, send_and_measure)


class _Ledger(Collector):
    """Read off the database whenever somebody looks."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def describe(self) -> Iterable[Metric]:
        """Nothing yet: the database is not asked before somebody looks."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        sweeps = GaugeMetricFamily("tuner_sweeps", "Sweeps by recorded status", labels=["status"])
        for status, count in self._ledger.pages.statuses().items():
            sweeps.add_metric([status], count)
        yield sweeps
        trials = CounterMetricFamily("tuner_trials", "Trials that have ended, by outcome", labels=["outcome"])
        for outcome, count in self._ledger.pages.outcomes().items():
            trials.add_metric([outcome.value], count)
        yield trials
        jobs = GaugeMetricFamily("tuner_jobs", "Sweeps in the queue, by state", labels=["state"])
        for state, count in self._ledger.queue.counts().items():
            jobs.add_metric([state], count)
        yield jobs


def _method(method: str) -> str:
    """A request's method, one word for those that nobody has heard of."""
    return method if method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT") else "other"
