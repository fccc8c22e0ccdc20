"""The client of a database at hand: what each call means. The service answers with this one, too.

What looks at records must not wait seconds for what trains (torch, Optuna) to be imported: a call that needs more than
the ledger and the analysis imports it itself.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.analysis.curves import to_curves
from tuner.analysis.export import to_csv, to_yaml
from tuner.analysis.leaderboard import Leaderboard
from tuner.analysis.rungs import rungs
from tuner.analysis.summary import summaries
from tuner.client.client import BETWEEN, Client, Form
from tuner.client.derived import best, curve
from tuner.client.kept import Kept, Look
from tuner.client.results import Best, Curve, Driver, Page, Shown, Standing, T, Told
from tuner.client.schedules import PAGE, SpecLike
from tuner.errors import UsageError
from tuner.ledger import Job, JobState, SqlLedger, SweepState, SweepSummary, open_ledger
from tuner.trial import State, Sweep, TrialRecord

if TYPE_CHECKING:
    from tuner.analysis.compare import Comparison
    from tuner.client.local_schedules import LocalSchedules
    from tuner.cluster.webhook import Webhook
    from tuner.spec import SweepSpec

NEWS = 1_000  # positions of a history that are read at a time


@dataclass(frozen=True, slots=True)
class Desk:
    """What stands behind a local client, however many share it.

    ``loads`` says whether the code that a recorded sweep names may be loaded here. Where it may not, reports do
    without what needs it. ``webhook`` gives what knows which hosts may be told of recurring sweeps; ``warn`` is
    told what an answer lacks.
    """

    ledger: SqlLedger
    kept: Kept
    loads: Callable[[Sweep], bool]
    webhook: Callable[[], Webhook]
    warn: Callable[[str], None] = lambda _: None

    @classmethod
    def here(cls, ledger: SqlLedger, warn: Callable[[str], None] = lambda _: None) -> Desk:
        """The desk of a user at a ledger of their own."""
        return cls(ledger, Kept(ledger), lambda _: True, _webhook, warn)


class Local(Client):
    """Sweeps in a database, on behalf of ``owner``."""

    def __init__(self, *, store: str | None = None, server: str | None = None, token: str | None = None) -> None:
        if server is not None or token is not None or store is None:
            raise UsageError("Client: a store is opened by its URL alone; server and token are of a service")
        self._at(Desk.here(open_ledger(store)), getpass.getuser())

    def _at(self, desk: Desk, owner: str) -> None:
        self._desk, self._ledger, self._owner = desk, desk.ledger, owner

    @classmethod
    def of(cls, desk: Desk, owner: str) -> Local:
        """A client at a desk that others share."""
        client = object.__new__(cls)
        client._at(desk, owner)
        return client

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
        """See Client."""
        found = self._ledger.pages.sweeps(name=name, status=status, workload=workload, after=after, limit=limit + 1)
        return _page(found, limit, lambda summary: summary.id)

    def show(self, sweep: str, *, top: int = 10) -> Shown:
        """See Client."""
        look = self._look(sweep)
        found = look.sweep.id
        return Shown(
            sweep=look.sweep,
            summary=self._ledger.summary(found),
            job=self._ledger.queue.find(found),
            leaderboard=look.leaderboard(top),
            optimizers=look.made("optimizers", lambda results: tuple(summaries(results, "optimizer"))),
            rungs=tuple(rungs(look.records)),
            failure=next((record for record in look.records if record.state is State.FAILED), None),
            accepted=tuple(self._ledger.acceptances(found)),
        )

    def standing(self, sweep: str) -> Standing:
        """See Client."""
        found = self._look(sweep).sweep.id
        return Standing(summary=self._ledger.summary(found), job=self._ledger.queue.find(found))

    def trials(
        self, sweep: str, *, state: State | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[TrialRecord]:
        """See Client."""
        found = self._look(sweep).sweep
        records = self._ledger.pages.trials(found.id, state=state, after=_index(after), limit=limit + 1)
        return _page(records, limit, lambda record: str(record.spec.index))

    def trial(self, sweep: str, index: int) -> TrialRecord:
        """See Client."""
        return self._ledger.trial(self._look(sweep).sweep.id, index)

    def curves(
        self, sweep: str, *, metric: str | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[Curve]:
        """See Client."""
        found = self._look(sweep).sweep
        name = metric or found.objectives[0].metric
        records = self._ledger.pages.trials(found.id, after=_index(after), limit=limit + 1, curves=True)
        page = _page(records, limit, lambda record: str(record.spec.index))
        return Page(items=tuple(curve(record, name) for record in page.items), next=page.next)

    def best(self, sweep: str) -> Best:
        """See Client."""
        return self._look(sweep).made("best", best)

    def leaderboard(self, sweep: str, *, top: int = 10) -> Leaderboard:
        """See Client."""
        return self._look(sweep).leaderboard(top)

    def compare(self, sweeps: Sequence[str]) -> Comparison:
        """See Client."""
        from tuner.analysis.compare import compare as compare_sweeps

        looks = [self._look(sweep) for sweep in sweeps]
        return compare_sweeps([(look.sweep, look.records) for look in looks])

    def report(self, sweep: str) -> str:
        """See Client."""
        from tuner import launch

        found = self._ledger.load(sweep)
        space = launch.recorded_space(found, self._desk.warn) if self._desk.loads(found) else launch.EMPTY
        return launch.report_page(found, self._ledger.trials(found.id), space)

    def export(self, sweep: str, form: Form = "yaml", *, trial: int | None = None) -> str:
        """See Client."""
        found = self._ledger.load(sweep)
        if form == "script" and not self._desk.loads(found):
            raise UsageError(f"{found.id}: its workload is a file of its own; export the script where that file is")
        records = self._ledger.trials(found.id, curves=form == "curves")
        match form:
            case "csv":
                return to_csv(found, records)
            case "curves":
                return to_curves(found, records)
            case "yaml":
                from tuner.again import trial_of

                return to_yaml(trial_of(found, records, trial))
            case "script":
                from tuner.again import trial_of
                from tuner.analysis.script import to_script

                return to_script(found, trial_of(found, records, trial), str(found.spec["workload"]))

    def events(self, sweep: str, *, after: int = 0, follow: bool = True) -> Iterator[Told]:
        """See Client."""
        found = self._ledger.load(sweep).id
        while True:
            over = not follow or self.standing(found).is_over  # asked first: what is recorded until then is told
            news = self._ledger.pages.news(found, after, NEWS)
            yield from (Told(position=position, event=event) for position, event in news.events)
            after = news.reached
            if after >= news.recorded:
                if over:
                    return
                time.sleep(BETWEEN)

    # ------------------------------------------------------------ doing

    def submit(self, spec: SpecLike, *, name: str | None = None, priority: int = 0, target: str = "local") -> Job:
        """See Client."""
        read, text = _read(spec)
        return self.enqueue(read, text, name=name, priority=priority, target=target)

    def enqueue(self, spec: SweepSpec, text: str, *, name: str | None, priority: int, target: str) -> Job:
        """Put a sweep of a spec that was read already into the queue; ``text`` is how it was written."""
        from tuner import spec as specs
        from tuner.cluster import submit

        named = spec if name is None else specs.renamed(spec, name)
        sweep = submit(named, text, self._ledger, owner=self._owner, priority=priority, target=target)
        return self._ledger.queue.job(sweep.id)

    def cancel(self, sweep: str) -> Job:
        """See Client."""
        return self._ledger.queue.cancel(self._ledger.load(sweep).id, time.time())

    def pause(self, sweep: str) -> Job:
        """See Client."""
        return self._ledger.queue.pause(self._ledger.load(sweep).id, time.time())

    def resume(self, sweep: str) -> Job:
        """See Client."""
        found = self._ledger.load(sweep).id
        if self._ledger.queue.find(found) is None:
            return self._ledger.queue.add(found, owner=self._owner, at=time.time())
        return self._ledger.queue.requeue(found, time.time())

    def prioritise(self, sweep: str, priority: int) -> Job:
        """See Client."""
        return self._ledger.queue.prioritise(self._ledger.load(sweep).id, priority)

    def queue(
        self, *, state: JobState | None = None, owner: str | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[Job]:
        """See Client."""
        jobs = self._ledger.queue.jobs(state=state, owner=owner, after=after, limit=limit + 1)
        return _page(jobs, limit, lambda job: job.sweep)

    def drivers(self) -> tuple[Driver, ...]:
        """See Client."""
        return tuple(
            Driver(sweep=held.sweep, host=held.holder.host, pid=held.holder.pid, since=held.since, until=held.until)
            for held in self._ledger.pages.held()
            if not held.holder.is_dead()
        )

    @property
    def schedules(self) -> LocalSchedules:
        """See Client."""
        from tuner.client.local_schedules import LocalSchedules

        return LocalSchedules(self._ledger, self._desk.webhook(), self._owner)

    def close(self) -> None:
        """See Client."""
        self._ledger.close()

    def _look(self, sweep: str) -> Look:
        return self._desk.kept.look(sweep)


def _webhook() -> Webhook:
    from tuner.cluster.webhook import Webhook

    return Webhook.of_environment()


def _page(found: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    """The page that ``found``, of one item more than the page may have, begins with."""
    items = tuple(found[:limit])
    return Page(items=items, next=cursor(items[-1]) if len(found) > limit else None)


def _index(after: str | None) -> int:
    if after is None:
        return -1
    if not after.isascii() or not after.isdigit() or len(after) > 9:
        raise UsageError(f"after: expected the number of a trial, got {after!r}")
    return int(after)


def _read(spec: SpecLike) -> tuple[SweepSpec, str]:
    """A spec, and how it was written."""
    from tuner import spec as specs
    from tuner import wiring
    from tuner.client.local_schedules import SOURCE, text_of

    if isinstance(spec, Path):
        return wiring.located(specs.load(spec), spec.parent), spec.read_text(encoding="utf-8")
    text = text_of(spec)
    return specs.parse(text, SOURCE), text
