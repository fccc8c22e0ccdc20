"""The audit log: whatever somebody known asked to have changed or was forbidden, and every token that was refused."""

from __future__ import annotations

import logging
import time

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuner.errors import StoreError
from tuner.ledger.tokens import Deed, SqlTokens
from tuner.service.access import origin_of
from tuner.service.guards import SAFE

LONGEST = 200  # characters of a path that are kept
_log = logging.getLogger(__name__)


class Audit:
    """Records what was asked for and what it came to, once it is answered."""

    def __init__(self, app: ASGIApp, tokens: SqlTokens) -> None:
        self.app, self._tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500  # where no answer came about

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        finally:
            if _is_kept(scope, status):
                await run_in_threadpool(self._record, scope, status)

    def _record(self, scope: Scope, status: int) -> None:
        deed = Deed(
            at=time.time(),
            who=scope.get("state", {}).get("caller", ""),
            what=f"{scope['method']} {ascii(scope['path'][:LONGEST])[1:-1]}",
            origin=origin_of(scope),
            result=str(status),
        )
        try:
            self._tokens.record(deed)
        except StoreError:
            _log.exception("not in the audit log: %s", deed)


def _is_kept(scope: Scope, status: int) -> bool:
    """What nobody known asked for is not, nor 429: strangers must not fill the log."""
    state = scope.get("state", {})
    if "caller" in state:
        return scope["method"] not in SAFE or status == 403
    return "is_refused" in state and status != 429
