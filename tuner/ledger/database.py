"""From a URL to transactions: ``Database`` knows dialects, drivers and SQLite's settings, and nothing of sweeps."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from tuner.errors import StoreError
from tuner.ledger.faults import explained
from tuner.ledger.statements import DIALECTS

T = TypeVar("T")
EXAMPLES = "sqlite:///tuner.db (a file) or postgresql://user:password@host/database"
_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode  # JSON proper has no NaN
IDLE_SECONDS = "15"  # how long PostgreSQL lets a transaction rest: who was stopped in one must not hold up the others
LOCK_SECONDS = "30"  # how long to wait for another process to finish writing
# A connection to a server, by libpq: give up on a host that does not answer, and on one that falls silent.
_LIBPQ = {"application_name": "tuner", "connect_timeout": "10", "keepalives_idle": "10", "tcp_user_timeout": "30000"}


class Reading(Protocol):
    """One transaction that reads, outages waited for."""

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns."""


class Database:
    """Transactions on one database. Every failure inside one rolls it back and is raised as StoreError."""

    def __init__(self, text: str) -> None:
        url = _parse(text)
        self.place = url.render_as_string(hide_password=True)
        self.engine = _engine(url, self.place)
        snapshot = {"isolation_level": "REPEATABLE READ"} if url.get_backend_name() == "postgresql" else {}
        self._reader = self.engine.execution_options(**snapshot)  # SQLite has no weaker one
        self._writer = self.engine.execution_options(begin="BEGIN IMMEDIATE")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the database as it was at its first query."""
        with explained(self.place), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on disk when the block ends, or that left no trace."""
        with explained(self.place), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection. May be called twice."""
        self.engine.dispose()


def _parse(text: str) -> URL:
    shown = text if "@" not in text else "***@" + text.rpartition("@")[2]  # a password is never printed
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError(f"store: expected a database URL such as {EXAMPLES}, got {shown!r}") from None
    if url.get_backend_name() not in DIALECTS:
        raise StoreError(f"store: the ledger is kept in {' or '.join(DIALECTS)}, got {shown!r}; e.g. {EXAMPLES}")
    return url


def _engine(url: URL, place: str) -> Engine:
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        return _postgresql(url)
    except NoSuchModuleError:
        raise StoreError(f"store: no driver is called {url.drivername!r} ({place}); e.g. {EXAMPLES}") from None
    except ImportError as error:
        remedy = "install it; for PostgreSQL: pip install 'psycopg[binary]'"
        raise StoreError(f"store: the driver of {place} cannot be imported ({error}); {remedy}") from None
    except (ArgumentError, TypeError, ValueError) as error:
        raise StoreError(f"store: an option of {place} has no sense ({error}); e.g. {EXAMPLES}") from None


def _sqlite(url: URL) -> Engine:
    url = url.update_query_dict({"timeout": LOCK_SECONDS} | dict(url.query))
    if url.database in (None, "", ":memory:"):  # lives in its one connection, which threads take in turn
        engine = create_engine(
            url,
            json_serializer=_json,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )
    else:
        engine = create_engine(url, json_serializer=_json)
    engine = engine.execution_options(begin="BEGIN")
    event.listen(engine, "connect", _settle)
    event.listen(engine, "begin", _begin)
    return engine


def _postgresql(url: URL) -> Engine:
    url = url.update_query_dict(_LIBPQ | dict(url.query))
    engine = create_engine(url, json_serializer=_json, pool_pre_ping=True)
    event.listen(engine, "connect", _limit)
    return engine


def _limit(connection: DBAPIConnection, _record: PoolProxiedConnection) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.commit()


def _settle(connection: sqlite3.Connection, _record: PoolProxiedConnection) -> None:
    connection.isolation_level = None  # the driver would begin transactions too late to guard what is read in them
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")  # readers never wait for the writer
    connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: one that reads first and locks later can be refused for good in between.
    connection.exec_driver_sql(connection.get_execution_options()["begin"])
