"""What a database's failures mean to a person: the driver's exceptions become StoreError with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from tuner.errors import StoreError

# SQLite's primary result code (https://www.sqlite.org/rescode.html) -> what it means here; what to do.
_SQLITE = {
    "BUSY": "another process is writing to it and did not finish in time; stop that process or wait, then try again",
    "CANTOPEN": "it cannot be opened; check that its folder exists and that you may write there, or give another store",
    "CORRUPT": "the file is damaged; restore it from a backup, or save what is left with `sqlite3 FILE .recover`",
    "FULL": "the disk is full; free some space, then try again",
    "IOERR": "the disk refused to read or write; check its space, quota and health, then try again",
    "LOCKED": "another process is writing to it and did not finish in time; stop that process or wait, then try again",
    "NOTADB": "the file is not a SQLite database; give another store",
    "PERM": "you may not write to it; change the permissions of the file and its folder, or give another store",
    "READONLY": "it may only be read; change the permissions of the file and its folder, or give another store",
}


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn every database error of the block into StoreError: ``place``, cause and remedy, the driver's words."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(f"store {place}: {_explain(error)}") from error
    except OverflowError as error:
        raise StoreError(f"store {place}: a whole number does not fit into 64 bits ({error})") from error


def _explain(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    words = " ".join(str(cause).split())
    code = getattr(cause, "sqlite_errorname", "").removeprefix("SQLITE_").partition("_")[0]
    return f"{_SQLITE[code]} ({words})" if code in _SQLITE else words
