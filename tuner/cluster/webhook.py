"""Telling a web address how a recurring sweep ended: only hosts that were allowed, a few tries, a bounded time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable, Mapping

import httpx2
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from tuner.cluster import address
from tuner.errors import UsageError

SECONDS = 5.0  # for each part of an answer
IN_ALL = 15.0  # seconds for all tries
TRIES = 3
VARIABLE = "TUNER_WEBHOOK_HOSTS"


class _Again(Exception):  # noqa: N818 - a reason to try again, no error of anybody's
    """The host may be better in a moment."""


class Webhook:
    """Posts JSON to the hosts in ``hosts``, over https, following no redirect."""

    def __init__(
        self, hosts: Iterable[str], transport: httpx2.AsyncBaseTransport | None = None, pause: float = 1.0
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._transport, self._pause = transport, pause

    @classmethod
    def of_environment(cls) -> Webhook:
        """The hosts that ``TUNER_WEBHOOK_HOSTS`` lists, with commas or spaces between them."""
        return cls(os.environ.get(VARIABLE, "").replace(",", " ").split())

    def check(self, url: str) -> None:
        """Raise UsageError for an address that is never told anything."""
        parts = address.read(url)
        if parts is None:
            raise UsageError(
                "webhook: expected an address that begins with https://, has a port from 1 to 65535, if any, and no "
                "control characters; got one that cannot be read"
            )
        if parts.scheme != "https" or not parts.host or parts.userinfo:
            shown = f"{parts.scheme}://{parts.host}/..." if parts.scheme else url[:40]
            raise UsageError(f"webhook: expected an address that begins with https://, got {shown!r}")
        if parts.host not in self._hosts:
            allowed = ", ".join(sorted(self._hosts)) or "none"
            raise UsageError(
                f"webhook: {parts.host} is not an allowed host (allowed: {allowed}); "
                f"{VARIABLE} lists them, where sweeps are scheduled and where they are run"
            )

    def tell(self, url: str, what: Mapping[str, object]) -> str:
        """Post ``what``, within ``IN_ALL`` seconds whatever the host does; how that went, in a few words."""
        try:
            self.check(url)
        except UsageError as error:
            return str(error)
        tries = AsyncRetrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(self._pause, max=10 * self._pause),
            retry=retry_if_exception_type((httpx2.TransportError, _Again)),
            reraise=True,
        )
        host = httpx2.URL(url).host
        try:
            return f"{host} answered {_within(IN_ALL, tries(self._post, url, what))}"
        except TimeoutError:
            return f"{host} was not reached in {IN_ALL:g} s"
        except (httpx2.HTTPError, _Again) as error:
            return f"{host} was not reached in {TRIES} tries: {error or type(error).__name__}"

    async def _post(self, url: str, what: Mapping[str, object]) -> int:
        async with (
            httpx2.AsyncClient(timeout=SECONDS, transport=self._transport) as client,
            client.stream("POST", url, json=what) as answer,  # what it says is not read, however long it is
        ):
            if answer.status_code == httpx2.codes.TOO_MANY_REQUESTS or answer.is_server_error:
                raise _Again(f"it answered {answer.status_code}")
            return answer.status_code


def _within(seconds: float, work: Coroutine[object, object, int]) -> int:
    """What ``work`` comes to. Raises TimeoutError after so many seconds, be it stuck in the look-up of a name."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(work, seconds))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()  # where `asyncio.run` would wait for threads that look up names
