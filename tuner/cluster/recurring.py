"""Recurring sweeps: queues those that are due, and says how each one's end stands to the one before.

A scheduler remembers nothing: what is due follows from the clock and from the ledger, which lets a due time be decided
once. So any number of schedulers may run, be stopped at any moment, and see clocks that go back.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tuner import spec as specs
from tuner import wiring
from tuner.analysis.runs import Run, change
from tuner.cluster import calendar
from tuner.cluster.submission import check_target, drafted
from tuner.cluster.templates import filled
from tuner.cluster.webhook import Webhook
from tuner.errors import StoreError, TunerError, UnknownNameError, UsageError
from tuner.ledger import Firing, NewSweep, Recurring, SqlLedger
from tuner.spec import SweepSpec

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
NO_FOLDER = "it was given without a folder in which its files could be looked for"
LONGEST = 7 * 86_400.0  # seconds that can be caught up with
ON_TIME = 60.0  # seconds that nobody calls late
TELLING = 10.0  # seconds of a turn after which no other end is told in it: the calendar comes first
HISTORY = 100  # how far back the run before is looked for
Draft = Callable[[Recurring, float, int], NewSweep]
_log = logging.getLogger(__name__)


def due_sweep(recurring: Recurring, due_at: float, run: int) -> NewSweep:
    """The sweep of a recurring one's ``run``-th due time, counted from 1, with its day put in.

    Raises as reading and preparing any spec does.
    """
    spec, text = read_due(recurring.spec_text, recurring.source, due_at, recurring.zone, run)
    if recurring.folder is None:
        specs.refuse_own(spec, NO_FOLDER)
        return drafted(spec, text)
    return drafted(wiring.located(spec, Path(recurring.folder)), text)


def read_due(template: str, source: str, due_at: float, zone: str, run: int) -> tuple[SweepSpec, str]:
    """The spec that a template is at a due time, and its text. Raises UsageError or SpecError where it is none."""
    moment = calendar.local(due_at, zone)
    variables = {"date": f"{moment:%Y-%m-%d}", "due": moment.isoformat(timespec="minutes"), "run": str(run)}
    text = filled(template, variables)
    return specs.parse(text, source), text


def add_recurring(ledger: SqlLedger, recurring: Recurring, webhook: Webhook) -> NewSweep:
    """Add a recurring sweep, once everything about it is known to be sound; what it would run now.

    Raises UsageError or SpecError where something is not, or its name is taken.
    """
    if not _NAME.fullmatch(recurring.name):
        raise UsageError(f"NAME: expected at most 64 lower-case letters, digits and hyphens, got {recurring.name!r}")
    if not 0 <= recurring.catch_up <= LONGEST:
        raise UsageError(f"--catch-up: expected 0s to {LONGEST / 3600:.0f}h, got {recurring.catch_up:g} seconds")
    calendar.check(recurring.cron, recurring.zone)
    check_target(recurring.target, ledger)
    if recurring.webhook is not None:
        webhook.check(recurring.webhook)
    sample = due_sweep(recurring, recurring.created_at, 1)
    ledger.recurring.add(recurring)
    return sample


def run_now(ledger: SqlLedger, name: str, at: float, draft: Draft = due_sweep) -> Firing:
    """Queue a recurring sweep now, beside its calendar. Raises as ``draft`` does, which makes the sweep."""
    recurring = ledger.recurring.get(name)
    while (run := ledger.recurring.run(name, at)) is None:  # somebody else did the same, in the same microsecond
        at = time.time()
    fired = ledger.recurring.fire(name, at, draft(recurring, at, run), at, by_hand=True)
    return fired or run_now(ledger, name, time.time(), draft)


class Scheduler:
    """One scheduler. ``draft`` makes the sweep of a due time."""

    def __init__(
        self,
        ledger: SqlLedger,
        webhook: Webhook,
        *,
        clock: Callable[[], float] = time.time,
        draft: Draft = due_sweep,
    ) -> None:
        self._ledger, self._webhook, self._clock, self._draft = ledger, webhook, clock, draft
        self._faults: dict[str, str] = {}  # of this program, by recurring sweep, as they were last said

    def turn(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Queue what is due, then tell what has ended, as far as there is time. Raises StoreError.

        ``is_over`` says that nothing more is to be begun.
        """
        for recurring in self._ledger.recurring.all():
            if is_over():
                return
            if not recurring.is_paused:
                self._guard(recurring)
        began = time.monotonic()
        for firing in self._ledger.recurring.untold():
            if is_over() or time.monotonic() - began > TELLING:
                return
            with suppress(UnknownNameError):  # somebody removed it meanwhile
                if self._ledger.recurring.claim(firing, self._clock()):
                    self._tell(firing)

    # ------------------------------------------------------------ what is due

    def _guard(self, recurring: Recurring) -> None:
        """Decide; where this program fails at that, the others do not suffer from it."""
        try:
            self._decide(recurring)
        except StoreError:
            raise
        except UnknownNameError:  # somebody removed it meanwhile
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, other recurring sweeps go on
            said = f"{type(error).__name__}: {error}"
            if self._faults.get(recurring.name) != said:
                self._faults[recurring.name] = said
                _log.exception("what is due of %s cannot be decided", recurring.name)
        else:
            self._faults.pop(recurring.name, None)

    def _decide(self, recurring: Recurring) -> None:
        """Queue what is due, and what was due while nobody looked, as far as it is to be caught up with.

        Under ``skip`` and ``replace`` that is the latest due time alone: an earlier one would end or stop it.
        """
        now, cron, zone = self._clock(), recurring.cron, recurring.zone
        horizon = now - max(recurring.catch_up, ON_TIME)
        due = list(calendar.due_times(cron, zone, after=max(recurring.decided_until, horizon), until=now))
        first, last = None, horizon  # of what is passed over
        if recurring.decided_until < horizon:
            first = next(calendar.due_times(cron, zone, after=recurring.decided_until, until=horizon), None)
        if recurring.overlap != "queue" and len(due) > 1:
            first, last = first or due[0], due[-2]
            due = due[-1:]
        if first is not None:
            self._pass_over(recurring, first, last, now)
        for due_at in due:
            self._fire(recurring, due_at)

    def _pass_over(self, recurring: Recurring, first: float, last: float, now: float) -> None:
        note = f"nobody ran what was due from here to {calendar.local(last, recurring.zone):%Y-%m-%d %H:%M}"
        self._ledger.recurring.pass_over(recurring.name, first, "missed", note, now, until=last)

    def _fire(self, recurring: Recurring, due_at: float) -> None:
        known = self._ledger.recurring
        run = known.run(recurring.name, due_at)
        if run is None:
            return
        try:
            new = self._draft(recurring, due_at, run)
        except StoreError:
            raise
        except TunerError as error:
            known.pass_over(recurring.name, due_at, "refused", str(error), self._clock())
        except Exception as error:  # noqa: BLE001 - whatever it is, the next due time may do better
            _log.exception("%s cannot be prepared", recurring.name)
            known.pass_over(recurring.name, due_at, "refused", f"{type(error).__name__}: {error}", self._clock())
        else:
            known.fire(recurring.name, due_at, new, self._clock())

    # ------------------------------------------------------------ what came of it

    def _tell(self, firing: Firing) -> None:
        recurring = self._ledger.recurring.get(firing.schedule)
        try:
            note, told = self._told(recurring, firing)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are told
            _log.exception("what came of %s cannot be told", firing.sweep or firing.schedule)
            note, told = firing.note, f"not told: {type(error).__name__}: {error}"
        self._ledger.recurring.tell(firing, note, told)

    def _told(self, recurring: Recurring, firing: Firing) -> tuple[str, str]:
        """What came of a due time, and how telling it went."""
        note, is_real = firing.note, False
        if firing.sweep is not None:
            found = change(self._run(firing.sweep), self._before(firing))
            note, is_real = found.words, found.is_real
        told = ""
        if recurring.webhook is not None:
            due = calendar.local(firing.due_at, recurring.zone).isoformat(timespec="minutes")
            told = self._webhook.tell(
                recurring.webhook,
                {
                    "schedule": firing.schedule,
                    "due": due,
                    "sweep": firing.sweep,
                    "state": firing.state or firing.decision,
                    "winner_changed": is_real,
                    "text": f"{firing.sweep or firing.schedule} ({due}) {firing.state or firing.decision}: {note}",
                },
            )
        return note, told

    def _before(self, firing: Firing) -> Run | None:
        """The last run before that one that was done."""
        for earlier in self._ledger.recurring.history(firing.schedule, limit=HISTORY):
            if earlier.due_at < firing.due_at and earlier.state == "done" and earlier.sweep is not None:
                return self._run(earlier.sweep)
        return None

    def _run(self, sweep: str) -> Run:
        return self._ledger.load(sweep), self._ledger.trials(sweep, curves=False)
