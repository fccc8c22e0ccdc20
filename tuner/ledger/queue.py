"""The queue: sweeps that were handed over to be run, in what order, by what, and how that ended.

Only a runner moves a job on from ``running``; a person can ask for that. Every change is one transaction in which
nobody else changes the queue, so two runners never take the same job, and limits hold however many runners there are.
What a runner writes names the run it is about: one that was given up and wakes again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, select, update

from tuner.errors import LeaseError, UsageError
from tuner.ledger import catalog
from tuner.ledger import jobs as rows
from tuner.ledger.catalog import NewSweep
from tuner.ledger.database import Database, Reading
from tuner.ledger.holder import Holder
from tuner.ledger.jobs import JOBS, LOCAL, Job, JobState, Values
from tuner.ledger.rows import storable
from tuner.ledger.schema import jobs, sweeps
from tuner.ledger.statements import take_turns
from tuner.trial import Sweep


class SqlQueue:
    """The queue of one database. Safe to share as the ledger is, whose ``queue`` it is.

    A method that takes ``sweep`` wants the whole id. Raises UnknownNameError where there is no such sweep, UsageError
    where it is not in the queue or not in a state that allows what is asked, StoreError where the database fails: a
    read waits for a server that is away, a change does not.
    """

    def __init__(self, database: Database, read: Reading) -> None:
        self._database, self._read = database, read

    def submit(self, new: NewSweep, *, owner: str, priority: int = 0, target: str = LOCAL, at: float) -> Sweep:
        """A new sweep that waits in the queue: it is there with its job, or not at all."""
        with self._changing() as connection:
            return rows.enqueue(connection, new, owner=owner, priority=priority, target=target, at=at)

    def add(self, sweep: str, *, owner: str, priority: int = 0, target: str = LOCAL, at: float) -> Job:
        """Queue a recorded sweep, to be gone on with."""
        with self._changing() as connection:
            key = catalog.key(connection, sweep)
            if connection.execute(select(jobs.c.sweep).where(jobs.c.sweep == key)).first():
                raise UsageError(f"{sweep} is in the queue already; `tuner queue resume {sweep}` queues it again")
            rows.add(connection, key, owner=owner, priority=priority, target=target, at=at)
            return rows.job(connection, sweep)

    def jobs(
        self, *, state: JobState | None = None, owner: str | None = None, limit: int = 100, after: str | None = None
    ) -> list[Job]:
        """Jobs in the order of the queue: the highest priority first, then the oldest.

        ``after`` is the sweep of the last job of the page before.
        """

        def work(connection: Connection) -> list[Job]:
            query = JOBS.limit(limit)
            if state is not None:
                query = query.where(jobs.c.state == state)
            if owner is not None:
                query = query.where(jobs.c.owner == owner)
            if after is not None:
                query = query.where(rows.behind(connection, after))
            return [rows.decode(row) for row in connection.execute(query).mappings()]

        return self._read(work)

    def job(self, sweep: str) -> Job:
        """The job of a sweep."""
        return self._read(lambda connection: rows.job(connection, sweep))

    def find(self, sweep: str) -> Job | None:
        """The job of a sweep, None where it never was in the queue."""
        return self._read(lambda connection: rows.find(connection, sweep))

    def among(self, ids: Collection[str]) -> dict[str, Job]:
        """The jobs of those sweeps that ever were in the queue, by sweep."""
        query = JOBS.where(sweeps.c.id.in_(ids))
        found = self._read(lambda connection: [rows.decode(row) for row in connection.execute(query).mappings()])
        return {job.sweep: job for job in found}

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state that has any."""
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        return self._read(lambda connection: dict(connection.execute(query).all()))

    # ------------------------------------------------------------ for people

    def cancel(self, sweep: str, at: float) -> Job:
        """End a job for good; one that runs is asked to end, which its runner sees to."""
        return self._change(sweep, lambda job: rows.cancelled(job, at))

    def pause(self, sweep: str, at: float) -> Job:
        """Keep a job from running until it is queued again; one that runs is asked to stop where it is."""
        return self._change(sweep, lambda job: rows.paused(job, at))

    def requeue(self, sweep: str, at: float) -> Job:
        """Queue a job again that was paused, cancelled or failed."""
        return self._change(sweep, lambda job: rows.requeued(job, at))

    def prioritise(self, sweep: str, priority: int) -> Job:
        """Change the place in the queue of a job that waits."""
        return self._change(sweep, lambda job: rows.prioritised(job, priority))

    # ------------------------------------------------------------ for runners

    def take(self, taker: Holder, *, limit: int, per_owner: int, at: float) -> Job | None:
        """Make the next job that may run the taker's; None where none may.

        At most ``limit`` jobs run in one place at a time (the taker's machine, a Ray cluster), and at most
        ``per_owner`` of one owner in all. A sweep that somebody drives by hand waits until that is over, and one whose
        driver ended without a word for a while.
        """

        def next_job(connection: Connection) -> Job | None:
            return rows.next_job(connection, taker, limit, per_owner, at)

        if self._read(next_job) is None:  # so that what cannot be taken costs its runners no write
            return None
        with self._changing() as connection:
            job = next_job(connection)
            if job is None:
                return None
            taken = {"state": "running", "place": job.place_for(taker), "runs": job.runs + 1}
            since = {"runner": {"kind": "starting", **asdict(taker)}, "started_at": at, "ended_at": None}
            rows.write(connection, job, taken | since)
            return rows.job(connection, job.sweep)

    def started(self, job: Job, runner: Mapping[str, Any], at: float) -> Job:
        """Record what runs a job that was taken. Raises LeaseError where another runner gave that run up."""
        with self._changing() as connection:
            if not rows.write(connection, job, {"runner": dict(runner), "started_at": at}):
                raise LeaseError(f"{job.sweep}: another runner has taken it over")
            return rows.job(connection, job.sweep)

    def ended(self, job: Job, state: JobState, note: str, at: float, *, losses: int = 0) -> bool:
        """Record how a run of a job ended; ``queued`` means that it is to run again.

        ``losses`` is how many of its runs in a row have ended without a word, this one included.

        What was asked to stop meanwhile is not run again, but paused or cancelled. False where an end was recorded
        before, or the run was given up: then nothing is changed.
        """
        with self._changing() as connection:
            asked = rows.job(connection, job.sweep).asked
            end = rows.ENDS[asked] if asked is not None and state == "queued" else state
            over = {"state": end, "note": storable(note), "runner": None, "place": None, "asked": None}
            since = {"ended_at": None if end == "queued" else at, "losses": losses}
            return rows.write(connection, job, over | since)

    def _change(self, sweep: str, change: Callable[[Job], Values]) -> Job:
        with self._changing() as connection:
            values = change(rows.job(connection, sweep))
            key = catalog.key(connection, sweep)
            connection.execute(update(jobs).where(jobs.c.sweep == key).values(**values))
            return rows.job(connection, sweep)

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with self._database.writing() as connection:
            take_turns(connection, jobs)
            yield connection
