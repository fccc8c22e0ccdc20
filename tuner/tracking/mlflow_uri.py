"""What an MLflow tracking URI may be."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tuner.errors import UsageError
from tuner.tracking.wording import without_passwords

SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "file", "databricks")

KNOCK_SECONDS = 10
_PORTS = {"http": 80, "https": 443}


def check_uri(uri: str) -> None:
    """Raise UsageError unless ``uri`` has a scheme that MLflow knows."""
    if _scheme(uri) not in SCHEMES:
        raise UsageError(
            f"mlflow: expected a URI of {', '.join(f'{s}:' for s in SCHEMES)} got {without_passwords(uri)!r}; "
            "give e.g. sqlite:///mlflow.db or http://localhost:5000"
        )


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store, None for any other store."""
    path = urlsplit(uri).path[1:]  # sqlite:///relative.db, sqlite:////absolute.db
    return Path(path) if _scheme(uri) == "sqlite" and path else None


def address(uri: str) -> str:
    """The same place under one name, without passwords: a SQLite file by its whole path."""
    file = sqlite_file(uri)
    return f"sqlite:///{file.resolve()}" if file else without_passwords(uri).rstrip("/")


def check_opens(uri: str) -> None:
    """Raise at once what opening a SQLite file, or knocking at a server, raises.

    MLflow would try a file for 100 s first; and while a server is down, nobody pays the seconds of importing MLflow.
    """
    file, host = sqlite_file(uri), urlsplit(uri).hostname
    if file and file.exists():
        with closing(sqlite3.connect(file)) as store:
            store.execute("PRAGMA schema_version")
    elif host and _scheme(uri) in _PORTS and (_scheme(uri) not in getproxies() or proxy_bypass(host)):
        socket.create_connection((host, urlsplit(uri).port or _PORTS[_scheme(uri)]), KNOCK_SECONDS).close()


def _scheme(uri: str) -> str:
    try:
        return urlsplit(uri).scheme.partition("+")[0]
    except ValueError:  # an unclosed bracket in the host
        return ""
