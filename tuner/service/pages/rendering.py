"""Templates to pages: what every page has, and how values are put into words."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from tuner.analysis import text
from tuner.analysis.leaderboard import trial_range
from tuner.service.access import Caller
from tuner.service.pages import words
from tuner.service.pages.visitors import COOKIE, FORM_KEY

FILES = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "static").iterdir())}
POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "img-src", "connect-src", "form-action")),
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# A browser that may tell nobody where it comes from tells its own service "null", which takes no form from there.
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
_environment = Environment(
    loader=PackageLoader("tuner.service.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    ago=words.ago,
    count=text.count,
    duration=text.duration,
    label=text.label,
    moment=words.moment,
    iso=words.iso,
    number=text.number,
    plus_minus=text.plus_minus,
    trial_range=trial_range,
    value=text.value,
)


def address(name: str) -> str:
    """Where a file of ``static/`` is served, by what is in it: it may be kept for ever."""
    return f"/static/{name}?v={hashlib.sha256(FILES[name]).hexdigest()[:12]}"


_environment.globals.update(file={name: address(name) for name in FILES}, form_field=FORM_KEY, shares=words.shares)


def page(
    request: Request,
    template: str,
    caller: Caller | None,
    *,
    code: int = 200,
    headers: Mapping[str, str] | None = None,
    **facts: Any,
) -> HTMLResponse:
    """A page for ``caller``, None where nobody is known."""
    cookie = request.cookies.get(COOKIE)
    made = _environment.get_template(template).render(
        caller=caller,
        is_signed_in=cookie is not None and caller is not None,
        form_key=request.app.state.service.sessions.form_key(cookie),
        path=request.url.path,
        base=str(request.base_url).rstrip("/"),
        now=time.time(),
        **facts,
    )
    return HTMLResponse(made, code, {**HEADERS, **(headers or {})})
