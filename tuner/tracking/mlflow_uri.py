"""What an MLflow tracking URI may be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from tuner.errors import UsageError
from tuner.tracking.wording import without_passwords

SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "file", "databricks")


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


def check_opens(uri: str) -> None:
    """Raise sqlite3.Error at once where a SQLite store cannot be opened: MLflow itself would try for 100 s first."""
    file = sqlite_file(uri)
    if file and file.exists():
        with closing(sqlite3.connect(file)) as store:
            store.execute("PRAGMA schema_version")


def _scheme(uri: str) -> str:
    try:
        return urlsplit(uri).scheme.partition("+")[0]
    except ValueError:  # an unclosed bracket in the host
        return ""
