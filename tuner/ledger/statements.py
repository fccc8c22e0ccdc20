"""The one statement that dialects spell differently: insert unless the place is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

DIALECTS: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@cache
def insert_if_free(dialect: str, table: Table) -> Insert:
    """Insert those rows whose place is free in ``table``; the result's ``rowcount`` says how many they were."""
    insert = DIALECTS[dialect](table).on_conflict_do_nothing(index_elements=table.info["place"])
    return insert.execution_options(preserve_rowcount=True)
