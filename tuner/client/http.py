"""Requests to a service: tried again where that is safe, refusals as the errors that they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
from pydantic import TypeAdapter
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from tuner import __version__
from tuner.client import wire
from tuner.client.results import T
from tuner.errors import StoreError, TunerError, UsageError

API = "/api/v1"
CONNECTS = 3  # tries again to make a connection, which no request has been sent over yet
TRIES = 4  # at reading something, which may be asked for as often as one likes
TIMEOUT = httpx2.Timeout(10.0, read=120.0)  # seconds; a report of a large sweep takes its time
SILENCE = httpx2.Timeout(10.0, read=60.0)  # how long a stream may say nothing, not even that it is alive
PROBLEM = "application/problem+json"
_UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout)
Query = Mapping[str, Any]  # what is None in it is not asked for


class Http:
    """Requests to the service at ``server``, with ``token``."""

    def __init__(self, server: str, token: str | None) -> None:
        self.place = _place(server)
        headers = {"User-Agent": f"tuner/{__version__}"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx2.Client(
            base_url=self.place + API,
            headers=headers,
            timeout=TIMEOUT,
            transport=httpx2.HTTPTransport(retries=CONNECTS),
        )

    def get(self, kind: type[T], path: str, query: Query | None = None) -> T:
        """What is at a path, as that type."""
        return _decoded(kind, self.read(path, query))

    def read(self, path: str, query: Query | None = None) -> httpx2.Response:
        """What is at a path; asked for again where no answer came, or the service was too busy to give it."""
        tries = Retrying(
            retry=retry_if_exception(_may_be_over_soon),
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential_jitter(multiplier=0.2, max=5.0, jitter=0.2),
            reraise=True,
        )
        return tries(self.ask, "GET", path, query)

    def send(self, kind: type[T], method: str, path: str, query: Query | None = None, **body: Any) -> T:
        """Ask for a change; what came of it, as that type."""
        return _decoded(kind, self.ask(method, path, query, **body))

    def ask(self, method: str, path: str, query: Query | None = None, **body: Any) -> httpx2.Response:
        """One request, sent once: it may have been obeyed though no answer came. Raises TunerError for a refusal."""
        try:
            return _checked(self._client.request(method, path, params=_given(query), **body))
        except httpx2.TransportError as error:
            raise self.away(error) from error

    def listen(self, path: str, query: Query, last: int) -> Iterator[httpx2.ServerSentEvent]:
        """A stream of events after the one with the id ``last``. Raises httpx2.TransportError where it breaks."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
        with self._client.stream("GET", path, params=_given(query), headers=headers, timeout=SILENCE) as response:
            if response.is_error:
                response.read()
            yield from httpx2.EventSource(_checked(response))

    def away(self, error: httpx2.TransportError) -> StoreError:
        """What to say when no answer came."""
        why = str(error) or type(error).__name__
        return StoreError(
            f"server {self.place}: no answer ({why}); check its address, and that `tuner serve` runs there"
        )

    def close(self) -> None:
        """Close every connection. May be called twice."""
        self._client.close()


def _may_be_over_soon(error: BaseException) -> bool:
    """Whether the service is there and did not answer: where nobody listens, the connection was tried often enough."""
    return isinstance(error, StoreError) and not isinstance(
        error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout
    )


def quoted(name: str) -> str:
    """A name as one part of a path. Raises UsageError for one that no path has."""
    if name in ("", ".", ".."):
        raise UsageError(f"expected an id or a name, got {name!r}")
    return quote(name, safe="")


def _place(server: str) -> str:
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        shown = server.rpartition("@")[2]
        raise UsageError(
            f"server: expected an address such as http://127.0.0.1:8765, without a password; got {shown!r}"
        )
    return server.rstrip("/").removesuffix(API)


def _given(query: Query | None) -> dict[str, Any]:
    return {name: value for name, value in (query or {}).items() if value is not None}


def _checked(response: httpx2.Response) -> httpx2.Response:
    if not response.is_error:
        return response
    if response.headers.get("content-type", "").startswith(PROBLEM):
        raise wire.error(response.json())
    kind = StoreError if response.is_server_error else TunerError
    raise kind(f"the server answered {response.status_code} {response.reason_phrase}")


def _decoded(kind: type[T], response: httpx2.Response) -> T:
    named: Any = kind
    found: T = _adapter(named).validate_json(response.content)
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
