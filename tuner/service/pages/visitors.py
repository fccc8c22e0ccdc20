"""Who looks at a page: a browser brings the cookie of its session in a token's place, and its forms bring their key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials

from tuner.ledger.tokens import Role
from tuner.service.access import BEARER, Caller, Needs
from tuner.service.state import The

COOKIE = "tuner-session"
FORM_KEY = "form_key"
FIELDS = 10  # of a form, at most
FORM = "application/x-www-form-urlencoded"


class Visits(Needs):
    """A dependency of a page: the caller, who has at least this role."""

    def __call__(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    ) -> Caller:
        """See Needs. A session whose token opens nothing any more is over."""
        sessions, cookie = request.app.state.service.sessions, request.cookies.get(COOKIE)
        token = None if credentials else sessions.token(cookie)
        if token is not None:
            credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)
        try:
            return super().__call__(request, credentials)
        except HTTPException as refusal:
            if refusal.status_code == 401 and token is not None:
                sessions.end(cookie)
            raise


async def filled_in(request: Request, the: The) -> Mapping[str, str]:
    """The fields of a form that this service gave to whoever sends it. Raises HTTPException for any other."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"expected a form as {FORM}")
    try:
        fields = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=FIELDS))
    except ValueError:  # not UTF-8, or too many of them
        raise HTTPException(400, f"expected a form of at most {FIELDS} fields in UTF-8") from None
    if not the.sessions.is_form_key(request.cookies.get(COOKIE), fields.pop(FORM_KEY, "")):
        raise HTTPException(403, "the form is not one of this page, or is too old; load the page again and repeat it")
    return fields


Visitor = Annotated[Caller, Depends(Visits(Role.READ))]
Changer = Annotated[Caller, Depends(Visits(Role.SUBMIT))]
Form = Annotated[Mapping[str, str], Depends(filled_in)]
