"""Run a sweep from its spec, or go on with one, to its end: signals, progress, report, MLflow."""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from tuner import wiring
from tuner.analysis import report
from tuner.analysis.results import Results
from tuner.changes import changes, is_other_code, origin
from tuner.errors import LeaseError, StoreError, TunerError, UsageError
from tuner.ledger import SqlLedger, Status
from tuner.protocols import Executor
from tuner.search import importances
from tuner.space import Space
from tuner.spec import SweepSpec
from tuner.study import Study, Summary
from tuner.tracking import ConsoleSink, Courier, Place, SinkSet, SweepEnd, aside, mlflow_place
from tuner.training.checkpoint import folder_of
from tuner.trial import INTERRUPTED, Event, Sweep, TrialRecord
from tuner.upkeep import Upkeep, last_folder, place_of

EMPTY = Space(branches=(), shared={})  # of a sweep of which nothing but the records is at hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where results go; ``console`` shows progress, ``warn`` tells of trouble.

    ``mlflow`` is a tracking URI, ``optuna`` the URL of a database for Optuna's tables; None means: not there.
    """

    ledger: SqlLedger
    mlflow: str | None
    output: Path
    console: Console
    warn: Callable[[str], None]
    optuna: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a run of a sweep left: its summary, its records, and the report's path."""

    sweep: Sweep
    summary: Summary
    records: list[TrialRecord]
    report: Path


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run of the loop is made of, besides the sweep itself."""

    prepared: wiring.Prepared
    executor: Executor
    upkeep: Upkeep
    interrupted: Callable[[], bool]


def start(spec: SweepSpec, text: str, setting: Setting) -> Ending:
    """Record a new sweep and run it. Nothing is recorded unless the spec is sound and its workers are up."""
    prepared, key = wiring.prepare(spec), secrets.token_hex(4)
    with interruptible() as asked, closing(wiring.executor(prepared, setting.output, key, setting.warn)) as executor:
        sweep = setting.ledger.create(
            name=spec.name,
            spec=spec.dump(),
            spec_text=text,
            environment=origin(spec),
            objectives=prepared.plan.objectives,
            seed=spec.seed,
            repeats=spec.repeats,
            at=time.time(),
        )
        with setting.ledger.lease(sweep.id) as lease:
            upkeep = Upkeep(folder_of(setting.output, sweep.id, key), ())
            return _drive(sweep, Parts(prepared, executor, upkeep, lambda: asked() or lease.is_lost()), (), setting)


def go_on(sweep: Sweep, setting: Setting, *, accept_changes: bool = False) -> Ending:
    """Go on with a recorded sweep: the sampler relives its events, trials without an outcome are run again.

    Raises UsageError where it was begun with another spec, other code or other libraries, unless these
    ``accept_changes``, and LeaseError while another driver runs it.
    """
    prepared = wiring.recorded(sweep)
    if found := changes(sweep, prepared.spec):
        listed = "".join(f"\n  {change}" for change in found)
        if not accept_changes:
            raise UsageError(
                f"{sweep.id} was begun with something else, so new trials may not compare with old ones:{listed}\n"
                f"`tuner resume {sweep.id} --accept-changes` goes on all the same"
            )
        setting.warn(f"{sweep.id} goes on with something else than it was begun with:{listed}")
    with interruptible() as asked, setting.ledger.lease(sweep.id) as lease:
        if not sweep.environment:  # it was queued: what it runs on is known only now
            sweep = setting.ledger.begin(sweep.id, origin(prepared.spec), time.time())
        if found:
            sweep = setting.ledger.accept_changes(
                sweep.id, found, environment=origin(prepared.spec), spec=prepared.spec.dump(), at=time.time()
            )
        history = list(setting.ledger.events(sweep.id))
        folder = last_folder(history)
        output, key = place_of(folder) if folder else (setting.output, secrets.token_hex(4))
        with closing(wiring.executor(prepared, output, key, setting.warn)) as executor:
            upkeep = Upkeep(folder_of(output, sweep.id, key), history)
            if any(is_other_code(change) for change in found):
                setting.warn("trials that were under way begin again: their states are those of other code")
                upkeep.clear()
            parts = Parts(prepared, executor, upkeep, lambda: asked() or lease.is_lost())
            return _drive(sweep, parts, history, setting)


def _drive(sweep: Sweep, parts: Parts, history: Sequence[Event], setting: Setting) -> Ending:
    ledger, prepared = setting.ledger, parts.prepared
    console = ConsoleSink(sweep, prepared.budget.trials, setting.console)
    console.write(history)
    couriers = [
        Courier(aside(place), ledger.delivery(sweep.id, str(place)), warn=setting.warn, remedy=f"tuner sync {sweep.id}")
        for place in places(sweep, prepared.space, setting)
    ]
    sinks = SinkSet([parts.upkeep, console, *couriers], warn=setting.warn)
    try:
        with recorded_status(ledger, sweep):
            sampler = wiring.sampler(prepared)
            if sampler.note:
                setting.warn(sampler.note)
            study = Study(
                sweep,
                sampler=sampler,
                executor=parts.executor,
                ledger=ledger,
                sink=sinks,
                budget=prepared.budget,
                history=history,
            )
            summary = study.run(parts.interrupted)
        ledger.set_status(sweep.id, summary.status, time.time())
        parts.executor.close()
        parts.upkeep.end()
        records = ledger.trials(sweep.id)
        path = write_report(sweep.id, report_page(sweep, records, prepared.space), setting.output)
        if summary.status != INTERRUPTED:
            best, facts = best_trial(sweep, records), _plain(summary)
            end = SweepEnd(at=time.time(), complete=True, best=best, artifacts=(path,), summary=facts)
            for courier in couriers:
                courier.finish(end)
    except LeaseError:
        raise
    except (TunerError, KeyboardInterrupt) as error:
        error.add_note(f"what was recorded is safe: `tuner resume {sweep.id}` goes on")
        raise
    finally:
        console.close()
        with setting.console.status("delivering the last updates"):
            sinks.close()
    return Ending(sweep=sweep, summary=summary, records=records, report=path)


def places(sweep: Sweep, space: Space, setting: Setting) -> list[Place]:
    """Where the sweep is shown outside the ledger."""
    mlflow = [mlflow_place(setting.mlflow, sweep)] if setting.mlflow else []
    return mlflow + ([wiring.optuna_place(setting.optuna, sweep, space)] if setting.optuna else [])


@contextmanager
def recorded_status(ledger: SqlLedger, sweep: Sweep) -> Iterator[None]:
    """The ledger knows that the sweep is running, and where something is raised, that it was interrupted or failed."""
    ledger.set_status(sweep.id, "running", time.time())
    try:
        yield
    except BaseException as error:
        with suppress(StoreError):  # what stopped the sweep matters more than that its end cannot be recorded either
            ended: Status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            ledger.set_status(sweep.id, ended, time.time())
        raise


def recorded_space(sweep: Sweep, warn: Callable[[str], None]) -> Space:
    """The space of a recorded sweep, an empty one where its workload is gone."""
    try:
        return wiring.recorded(sweep).space
    except TunerError as error:
        warn(f"warning: no importances and no warnings about the edges of ranges: {error}")
        return EMPTY


def write_report(sweep: str, html: str, output: Path) -> Path:
    """Write a sweep's report to ``output/<sweep>/report.html``; its path. Raises TunerError where that fails."""
    path = output / sweep / "report.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        report.write(path, html)
    except OSError as error:
        raise TunerError(
            f"the report cannot be written to {path}: {error.strerror}; the ledger is complete: "
            f"`tuner report {sweep} --output FOLDER` writes it elsewhere"
        ) from error
    return path


def report_page(sweep: Sweep, records: Sequence[TrialRecord], space: Space) -> str:
    """A sweep's report as HTML, as it stands now."""
    return report.render(
        sweep,
        records,
        importances=importances(space, records, sweep.objectives[0]),
        edge=space.at_edge,
        generated_at=time.time(),
    )


def best_trial(sweep: Sweep, records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The first trial of the winning configuration, if any configuration is ranked."""
    winner = Results(sweep, records).winner
    return winner.trials[0] if winner else None


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a True answer; a second one interrupts at once, as usual."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield asked.is_set
        return

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is Python's
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _plain(summary: Summary) -> Mapping[str, object]:
    outcomes = {state.value: count for state, count in summary.outcomes.items()}
    return {"status": summary.status, "outcomes": outcomes, "steps": summary.steps, "seconds": summary.seconds}
