"""Tokens of the service, and who did what with them: only a token's hash is kept, and nothing is ever deleted.

A token is ``tuner_<id>_<secret>``: the id finds its row, the secret is 256 bits of which the row has the SHA-256. A
name is one token's for ever, so the audit log means the same person years later.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from tuner.errors import UnknownNameError, UsageError
from tuner.ledger.rows import storable
from tuner.ledger.schema import audit, tokens
from tuner.ledger.statements import insert_if_free

MARK = "tuner"  # what every token begins with, so that people and scanners know one when they see it
SECRET_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NOBODY = "0" * 64  # no SHA-256 anybody knows a text of
T = TypeVar("T")


class Role(StrEnum):
    """What a token may do; each role may do what the ones before it may."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what ``needed`` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token without its secret. Times are UTC seconds; ``expires_at`` None is never, ``revoked_at`` None not yet."""

    name: str
    role: Role
    created_at: float
    expires_at: float | None
    revoked_at: float | None

    def is_valid(self, at: float) -> bool:
        """Whether it opens anything at that time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """An entry of the audit log: at what time who did what, from where, and what came of it.

    ``who`` is a token's name, empty where nobody was recognised; ``origin`` a network address or a machine's name.
    """

    at: float
    who: str
    what: str
    origin: str
    result: str


class Transaction(Protocol):
    """One transaction, begun anew where the server was away."""

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns."""


class SqlTokens:
    """The tokens of one ledger. Every method raises StoreError where the database fails."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        self._read, self._write = read, write

    def add(self, name: str, role: Role, *, at: float, expires_at: float | None = None) -> str:
        """A new token, whole: it is told this once and kept nowhere. Raises UsageError for a name that cannot be."""
        if not _NAME.fullmatch(name):
            expected = "lower-case letters, digits, dots, hyphens and underscores, at most 64, a letter or digit first"
            raise UsageError(f"token name: expected {expected}, got {name!r}")
        if expires_at is not None and expires_at <= at:
            raise UsageError("token: expected an expiry in the future, got one in the past")
        identity, secret = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES)
        row = {
            "name": name,
            "id": identity,
            "digest": _digest(secret),
            "role": role.value,
            "created_at": at,
            "expires_at": expires_at,
        }
        self._write(lambda connection: connection.execute(insert_if_free(connection.dialect.name, tokens), row))
        kept = self._read(lambda connection: connection.scalar(select(tokens.c.id).where(tokens.c.name == name)))
        if kept != identity:
            raise UsageError(f"token {name!r} is there already, or was; a name is given once: choose another")
        return f"{MARK}_{identity}_{secret}"

    def tokens(self) -> list[Token]:
        """Every token there was, the oldest first."""
        query = select(tokens).order_by(tokens.c.created_at, tokens.c.name)
        return [_token(row) for row in self._read(lambda connection: connection.execute(query).all())]

    def any_valid(self, at: float) -> bool:
        """Whether somebody could come in with a token at that time."""
        alive = tokens.c.revoked_at.is_(None) & or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > at)
        query = select(func.count()).select_from(tokens).where(alive)
        return bool(self._read(lambda connection: connection.scalar(query)))

    def revoke(self, name: str, at: float) -> None:
        """From now on it opens nothing; a second time changes nothing. Raises UnknownNameError."""
        known = [token.name for token in self.tokens()]
        if name not in known:
            raise UnknownNameError("token", name, known)
        change = update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None)).values(revoked_at=at)
        self._write(lambda connection: connection.execute(change))

    def check(self, text: str, at: float) -> Token | None:
        """The valid token that ``text`` is, or None. A secret is found wrong as late at its beginning as at its end."""
        mark, _, rest = text.partition("_")
        identity, _, secret = rest.partition("_")
        query = select(tokens).where(tokens.c.id == (storable(identity) if mark == MARK else ""))
        row = self._read(lambda connection: connection.execute(query).first())
        same = hmac.compare_digest(_digest(secret), row.digest if row else _NOBODY)
        token = _token(row) if row and same else None
        return token if token and token.is_valid(at) else None

    def record(self, deed: Deed) -> None:
        """Add an entry to the audit log."""
        row = {name: storable(value) if isinstance(value, str) else value for name, value in asdict(deed).items()}
        self._write(lambda connection: connection.execute(insert(audit), row))

    def deeds(self, limit: int) -> list[Deed]:
        """The last entries of the audit log, the latest first."""
        columns = (audit.c.at, audit.c.who, audit.c.what, audit.c.origin, audit.c.result)
        query = select(*columns).order_by(audit.c.key.desc()).limit(limit)
        return [Deed(**row) for row in self._read(lambda connection: connection.execute(query).mappings().all())]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).hexdigest()


def _token(row: Row[Any]) -> Token:
    return Token(
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
