"""Problems as pages, for whoever asked for a page: a browser is shown what went wrong, and where to sign in."""

from __future__ import annotations

import json

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuner.service.pages.rendering import page
from tuner.service.problems import Problem

_BODY = ("content-length", "content-type")
_PROGRAMS = ("/api/", "/metrics")  # where a session opens nothing


class ReadableProblems:
    """Turns problem documents into pages where the request says that it takes HTML."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        document = b""

        async def send_readable(message: Message) -> None:
            nonlocal start, document
            is_start = message["type"] == "http.response.start"
            if is_start and Headers(raw=message["headers"]).get("content-type") == Problem.media_type:
                start = message
            elif start is None:
                await send(message)
            else:
                document += message.get("body", b"")
                if not message.get("more_body"):
                    await _show(scope, receive, send, Headers(raw=start["headers"]), document)

        await self.app(scope, receive, send_readable)


async def _show(scope: Scope, receive: Receive, send: Send, headers: Headers, document: bytes) -> None:
    request, told = Request(scope), json.loads(document)
    kept = {name: value for name, value in headers.items() if name not in _BODY}
    if told["status"] == 401 and not request.url.path.startswith(_PROGRAMS):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        asked = back if request.method == "GET" else "/"
        shown = page(request, "sign_in.html", None, code=401, headers=kept, back=asked, wrong="")
    else:
        shown = page(request, "problem.html", None, code=told["status"], headers=kept, problem=told)
    await shown(scope, receive, send)
