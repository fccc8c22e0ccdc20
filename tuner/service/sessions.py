"""Who is signed in with a browser: what its cookie stands for, and the keys that make a form one of ours.

A cookie goes to every port of this machine's name, so it holds no token: it is a number that is good for half a day,
and for nothing once its reader signed out. Sessions are kept in memory: a service that starts anew asks for the token
again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

LIFETIME = 12 * 3600.0  # seconds
MOST = 1_000  # sessions; the one that was begun first ends when there are more
BYTES = 32


class Sessions:
    """The sessions of one service. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(BYTES)
        self._open: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, token: str) -> str:
        """The cookie of a new session for whoever showed ``token``."""
        cookie = secrets.token_urlsafe(BYTES)
        with self._lock:
            self._open[_digest(cookie)] = token, self._clock() + LIFETIME
            while len(self._open) > MOST:
                self._open.popitem(last=False)
        return cookie

    def token(self, cookie: str | None) -> str | None:
        """The token that the session of ``cookie`` was begun with; None where there is none, or it is over."""
        with self._lock:
            token, until = self._open.get(_digest(cookie or ""), (None, 0.0))
        return token if self._clock() < until else None

    def end(self, cookie: str | None) -> None:
        """End a session, if it is one."""
        with self._lock:
            self._open.pop(_digest(cookie or ""), None)

    def form_key(self, cookie: str | None) -> str:
        """What a form must bring along to be taken from whoever has ``cookie``: no other site can know it."""
        return hmac.new(self._key, _digest(cookie or ""), hashlib.sha256).hexdigest()

    def is_form_key(self, cookie: str | None, key: str) -> bool:
        """Whether ``key`` is that."""
        return hmac.compare_digest(self.form_key(cookie).encode(), key.encode("utf-8", "backslashreplace"))


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "backslashreplace")).digest()
