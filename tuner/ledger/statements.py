"""What dialects spell differently: an insert unless the place is taken, and the database's clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Double, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

DIALECTS: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


@cache
def insert_if_free(dialect: str, table: Table) -> Insert:
    """Insert those rows whose place is free in ``table``; the result's ``rowcount`` says how many they were.

    A table that names no place has several constraints that say the same of a row: each of them may find it taken.
    """
    insert = DIALECTS[dialect](table).on_conflict_do_nothing(index_elements=table.info.get("place"))
    return insert.execution_options(preserve_rowcount=True)


def take_turns(connection: Connection, table: Table) -> None:
    """Until the transaction ends, let nobody else write to ``table``. SQLite's writers take turns anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN EXCLUSIVE MODE")


class Now(FunctionElement[float]):
    """The time when the database comes to this statement, in UTC seconds by its own clock."""

    type = Double()
    inherit_cache = True


@compiles(Now, "sqlite")
def _sqlite_now(_element: Now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"  # the Julian day of 1970 began at noon


@compiles(Now, "postgresql")
def _postgresql_now(_element: Now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "extract(epoch FROM clock_timestamp())::float8"  # now() is when the transaction began
