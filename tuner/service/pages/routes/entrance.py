"""Coming in and going out: a token for a session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from tuner.service.pages.rendering import page
from tuner.service.pages.visitors import COOKIE, Form
from tuner.service.sessions import LIFETIME
from tuner.service.state import The

router = APIRouter()


@router.get("/sign-in")
def sign_in_form(request: Request, back: Annotated[str, Query(max_length=2_000)] = "/") -> Response:
    """Asks for a token."""
    return page(request, "sign_in.html", None, back=_here(back), wrong="")


@router.post("/sign-in")
def sign_in(request: Request, the: The, form: Form) -> Response:
    """A session for whoever brings a token that opens something."""
    token, back = form.get("token", "").strip(), _here(form.get("back", "/"))
    try:
        the.access.caller(request, token)
    except HTTPException as refusal:
        # 403, where a program would be told 401: nothing is asked for that a browser could bring along by itself.
        code = 403 if refusal.status_code == 401 else refusal.status_code
        headers = {name: value for name, value in (refusal.headers or {}).items() if name == "Retry-After"}
        wrong = str(refusal.detail)
        return page(request, "sign_in.html", None, code=code, headers=headers, back=back, wrong=wrong)
    the.sessions.end(request.cookies.get(COOKIE))
    response = RedirectResponse(back, 303)
    response.set_cookie(
        COOKIE,
        the.sessions.begin(token),
        max_age=int(LIFETIME),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request, the: The, _: Form) -> Response:
    """The session is over, on both sides."""
    the.sessions.end(request.cookies.get(COOKIE))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _here(path: str) -> str:
    """The path, if it is one of this service; whatever a browser could read as an address elsewhere is not."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else "/"
