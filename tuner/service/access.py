"""Who is asking, and whether they may: tokens, roles, and patience with wrong ones."""

from __future__ import annotations

import ipaddress
import math
import time
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from tuner.ledger.tokens import Role, SqlTokens

FAILURES = 10  # wrong tokens a minute from one address that are told so and recorded; others are told to wait
LOCAL_NAME = "local"  # who asks a service on this machine that has no tokens
BEARER = HTTPBearer(auto_error=False, description="A token of `tuner token add`.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a token's name, what it may do, and the address that the request came from."""

    name: str
    role: Role
    origin: str

    def may_change(self, owner: str | None) -> bool:
        """Whether what is that owner's (None: nobody's) may be changed: by the owner itself, or an administrator."""
        return self.role is Role.ADMIN or (self.role is Role.SUBMIT and owner == self.name)


class Access:
    """Recognises callers. ``is_private``: while no token was ever made, everybody is this machine's administrator."""

    def __init__(self, tokens: SqlTokens, *, is_private: bool) -> None:
        self._tokens, self._is_private = tokens, is_private
        self._limit = RateLimitItemPerMinute(FAILURES)
        self._failures = MovingWindowRateLimiter(MemoryStorage())

    def caller(self, request: Request, secret: str | None) -> Caller:
        """Who brings this token, which the request's ``state`` then tells, or that it was refused.

        A right one opens whatever others from its address bring: many share the address of a proxy. Raises
        HTTPException: 401 for none or a wrong one, 429 after too many wrong ones.
        """
        origin = origin_of(request.scope)
        found = self._found(secret, origin)
        if found is None:
            request.state.is_refused = True
            raise self._refusal(_neighbourhood(origin))
        request.state.caller = found.name
        return found

    def _found(self, secret: str | None, origin: str) -> Caller | None:
        if secret is None:
            if self._is_private and not self._tokens.tokens():
                return Caller(LOCAL_NAME, Role.ADMIN, origin)
            raise _unknown("expected a token; send it as `Authorization: Bearer TOKEN`")
        token = self._tokens.check(secret, time.time())
        return None if token is None else Caller(token.name, token.role, origin)

    def _refusal(self, neighbourhood: str) -> HTTPException:
        if self._failures.hit(self._limit, neighbourhood):
            return _unknown("the token is wrong, revoked or expired; `tuner token add` makes one")
        left = self._failures.get_window_stats(self._limit, neighbourhood).reset_time - time.time()
        seconds = str(max(1, math.ceil(left)))
        return HTTPException(429, f"too many wrong tokens; wait {seconds} s", {"Retry-After": seconds})


class Needs:
    """A dependency of a route: the caller, who has at least this role."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __call__(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    ) -> Caller:
        """The caller. Raises HTTPException where there is none, or one that may not."""
        access: Access = request.app.state.service.access
        caller = access.caller(request, credentials.credentials if credentials else None)
        if not caller.role.covers(self.role):
            raise HTTPException(403, f"expected a token with the role {self.role.value}, got {caller.role.value}")
        return caller


Reader = Annotated[Caller, Depends(Needs(Role.READ))]
Submitter = Annotated[Caller, Depends(Needs(Role.SUBMIT))]


def origin_of(scope: Any) -> str:
    """The address that a request came from, as far as the server knows it."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _unknown(detail: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def _neighbourhood(origin: str) -> str:
    """The address, or the network of an IPv6 one: whoever has one of those has them all."""
    try:
        address = ipaddress.ip_address(origin)
    except ValueError:
        return origin
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else origin
