"""Telling a web address how a recurring sweep ended: only hosts that were allowed, a few tries, a bounded time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import httpx2
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from tuner.errors import UsageError

SECONDS = 5.0  # for each part of an answer
TRIES = 3
VARIABLE = "TUNER_WEBHOOK_HOSTS"


class _Again(Exception):  # noqa: N818 - a reason to try again, no error of anybody's
    """The host may be better in a moment."""


class Webhook:
    """Posts JSON to the hosts in ``hosts``, over https, following no redirect."""

    def __init__(self, hosts: Iterable[str], transport: httpx2.BaseTransport | None = None, pause: float = 1.0) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._transport, self._pause = transport, pause

    @classmethod
    def of_environment(cls) -> Webhook:
        """The hosts that ``TUNER_WEBHOOK_HOSTS`` lists, with commas or spaces between them."""
        return cls(os.environ.get(VARIABLE, "").replace(",", " ").split())

    def check(self, url: str) -> None:
        """Raise UsageError for an address that is never told anything."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username is not None:
            raise UsageError(f"webhook: expected an address that begins with https://, got {_shown(url)!r}")
        if parts.hostname not in self._hosts:
            allowed = ", ".join(sorted(self._hosts)) or "none"
            raise UsageError(
                f"webhook: {parts.hostname} is not an allowed host (allowed: {allowed}); "
                f"{VARIABLE} lists them, where sweeps are scheduled and where they are run"
            )

    def tell(self, url: str, what: Mapping[str, object]) -> str:
        """Post ``what``; how that went, in a few words."""
        try:
            self.check(url)
        except UsageError as error:
            return str(error)
        tries = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(self._pause, max=10 * self._pause),
            retry=retry_if_exception_type((httpx2.TransportError, _Again)),
            reraise=True,
        )
        host = urlsplit(url).hostname
        try:
            return f"{host} answered {tries(self._post, url, what)}"
        except (httpx2.HTTPError, _Again) as error:
            return f"{host} was not reached in {TRIES} tries: {error or type(error).__name__}"

    def _post(self, url: str, what: Mapping[str, object]) -> int:
        with (
            httpx2.Client(timeout=SECONDS, transport=self._transport) as client,
            client.stream("POST", url, json=what) as answer,  # what it says is not read, however long it is
        ):
            if answer.status_code == httpx2.codes.TOO_MANY_REQUESTS or answer.is_server_error:
                raise _Again(f"it answered {answer.status_code}")
            return answer.status_code


def _shown(url: str) -> str:
    """An address without what may be secret in it: a webhook's path often is its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}/..." if parts.scheme else url[:40]
