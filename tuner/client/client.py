"""``Client``: sweeps in a database at hand or behind a service, with the same calls and the same results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from tuner.analysis.leaderboard import Leaderboard
from tuner.client.results import Best, Curve, Driver, Page, Shown, Standing, Told
from tuner.client.schedules import PAGE, Schedules, SpecLike
from tuner.errors import TunerError, UsageError
from tuner.ledger import Job, JobState, SweepState, SweepSummary
from tuner.trial import State, TrialRecord

if TYPE_CHECKING:
    from tuner.analysis.compare import Comparison

Form = Literal["yaml", "csv", "script", "curves"]
BETWEEN = 1.0  # seconds between two looks at a sweep that is waited for


class Client:
    """Sweeps, wherever they are kept. ``Client(store=URL)`` opens a database, ``Client(server=URL, token=...)`` asks a
    service; either is closed by ``close``, or at the end of a ``with``.

    ``sweep`` is a sweep's id, or its name for the latest one. Every call raises the same errors wherever it is made:
    UnknownNameError where there is no such thing, UsageError where the request must change, LeaseError and
    ConflictError where somebody else stands in the way, StoreError where the database, or the service, does not answer.
    """

    def __new__(cls, *, store: str | None = None, server: str | None = None, token: str | None = None) -> Client:  # noqa: ARG004
        """The client that the arguments mean, which all of them then make."""
        if cls is not Client:
            return super().__new__(cls)
        if (store is None) == (server is None):
            raise UsageError("Client: expected a store (a database) or a server (of `tuner serve`), one of the two")
        if server is not None:
            from tuner.client.remote import Remote  # noqa: PLC0415 - neither kind needs what the other is made of

            return super().__new__(Remote)
        from tuner.client.local import Local  # noqa: PLC0415

        return super().__new__(Local)

    # ------------------------------------------------------------ looking

    def list(
        self,
        *,
        name: str | None = None,
        status: SweepState | None = None,
        workload: str | None = None,
        after: str | None = None,
        limit: int = PAGE,
    ) -> Page[SweepSummary]:
        """Sweeps, the newest first."""
        raise NotImplementedError

    def show(self, sweep: str, *, top: int = 10) -> Shown:
        """A sweep in full, without its trials."""
        raise NotImplementedError

    def standing(self, sweep: str) -> Standing:
        """Where a sweep stands, in few words."""
        raise NotImplementedError

    def trials(
        self, sweep: str, *, state: State | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[TrialRecord]:
        """Trials by index, without their curves."""
        raise NotImplementedError

    def trial(self, sweep: str, index: int) -> TrialRecord:
        """One trial, with its curve."""
        raise NotImplementedError

    def curves(
        self, sweep: str, *, metric: str | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[Curve]:
        """Learning curves by trial, of a metric (the first objective's for None)."""
        raise NotImplementedError

    def best(self, sweep: str) -> Best:
        """The winning configuration. Raises TunerError where no trial has completed yet."""
        raise NotImplementedError

    def leaderboard(self, sweep: str, *, top: int = 10) -> Leaderboard:
        """The best configurations."""
        raise NotImplementedError

    def compare(self, sweeps: Sequence[str]) -> Comparison:
        """Several sweeps side by side."""
        raise NotImplementedError

    def report(self, sweep: str) -> str:
        """The report, one page of HTML."""
        raise NotImplementedError

    def export(self, sweep: str, form: Form = "yaml", *, trial: int | None = None) -> str:
        """The winner (or that trial) as YAML or as a PyTorch script, all trials as CSV, or all curves as JSON."""
        raise NotImplementedError

    def events(self, sweep: str, *, after: int = 0, follow: bool = True) -> Iterator[Told]:
        """What was recorded after a position, in order; with ``follow`` also what is to come, until the sweep is over.

        What was heard is never told twice, and nothing is left out, also where the connection broke in between.
        """
        raise NotImplementedError

    # ------------------------------------------------------------ doing

    def submit(self, spec: SpecLike, *, name: str | None = None, priority: int = 0, target: str = "local") -> Job:
        """Put a new sweep into the queue. ``target`` is ``local`` or the address of a Ray cluster."""
        raise NotImplementedError

    def cancel(self, sweep: str) -> Job:
        """End a queued or running sweep for good."""
        raise NotImplementedError

    def pause(self, sweep: str) -> Job:
        """Stop a queued or running sweep until it is resumed."""
        raise NotImplementedError

    def resume(self, sweep: str) -> Job:
        """Queue a sweep again that was paused, cancelled, interrupted or failed."""
        raise NotImplementedError

    def prioritise(self, sweep: str, priority: int) -> Job:
        """Change the place in the queue of a sweep that waits."""
        raise NotImplementedError

    def queue(
        self, *, state: JobState | None = None, owner: str | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[Job]:
        """What is or was in the queue, in its order."""
        raise NotImplementedError

    def drivers(self) -> tuple[Driver, ...]:
        """Which sweeps run now, and where."""
        raise NotImplementedError

    @property
    def schedules(self) -> Schedules:
        """The sweeps that run by the calendar."""
        raise NotImplementedError

    def wait(self, sweep: str, *, timeout: float | None = None) -> Standing:
        """Wait until a sweep is over, and tell how it ended. Raises TunerError after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (standing := self.standing(sweep)).is_over:
            if deadline is not None and time.monotonic() >= deadline:
                raise TunerError(f"{standing.summary.id} is still {standing.word} after {timeout:g} s")
            time.sleep(BETWEEN)
        return standing

    def close(self) -> None:
        """Let go of every connection. May be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
