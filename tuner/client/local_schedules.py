"""The recurring sweeps of a database at hand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tuner.client.results import Scheduled
from tuner.client.schedules import CATCH_UP, PAGE, Schedules, SpecLike
from tuner.cluster import calendar
from tuner.cluster.recurring import add_recurring
from tuner.cluster.recurring import run_now as fire_now
from tuner.cluster.webhook import Webhook
from tuner.ledger import Firing, Recurring, SqlLedger
from tuner.ledger.recurring import Overlap
from tuner.space import document

SOURCE = "sweep.yaml"  # what messages call a spec that came without a file


class LocalSchedules(Schedules):
    """Those of a ledger, on behalf of ``owner``."""

    def __init__(self, ledger: SqlLedger, webhook: Webhook, owner: str) -> None:
        self._ledger, self._webhook, self._owner = ledger, webhook, owner

    def all(self) -> tuple[Scheduled, ...]:
        """See Schedules."""
        return tuple(_scheduled(recurring) for recurring in self._ledger.recurring.all())

    def get(self, name: str) -> Scheduled:
        """See Schedules."""
        return _scheduled(self._ledger.recurring.get(name))

    def add(
        self,
        name: str,
        spec: SpecLike,
        *,
        cron: str,
        zone: str = "UTC",
        priority: int = 0,
        target: str = "local",
        overlap: Overlap = "skip",
        catch_up: float = CATCH_UP,
        webhook: str | None = None,
    ) -> Scheduled:
        """See Schedules."""
        folder = str(spec.parent.resolve()) if isinstance(spec, Path) else None
        source, text = (spec.name, document.read_file(spec)) if isinstance(spec, Path) else (SOURCE, text_of(spec))
        now = time.time()
        new = Recurring(
            name=name,
            cron=cron,
            zone=zone,
            spec_text=text,
            source=source,
            folder=folder,
            owner=self._owner,
            priority=priority,
            target=target,
            overlap=overlap,
            catch_up=catch_up,
            webhook=webhook,
            is_paused=False,
            created_at=now,
            decided_until=now,
        )
        add_recurring(self._ledger, new, self._webhook)
        return _scheduled(new)

    def pause(self, name: str) -> Scheduled:
        """See Schedules."""
        return _scheduled(self._ledger.recurring.pause(name))

    def resume(self, name: str) -> Scheduled:
        """See Schedules."""
        return _scheduled(self._ledger.recurring.resume(name, time.time()))

    def remove(self, name: str) -> None:
        """See Schedules."""
        self._ledger.recurring.remove(name)

    def run_now(self, name: str) -> Firing:
        """See Schedules."""
        return fire_now(self._ledger, name, time.time())

    def history(self, name: str, *, limit: int = PAGE) -> tuple[Firing, ...]:
        """See Schedules."""
        return tuple(self._ledger.recurring.history(name, limit=limit))


def text_of(spec: str | Mapping[str, object]) -> str:
    """A spec that lies in no file as YAML. Raises SpecError where no document could say it."""
    if isinstance(spec, str):
        return spec
    return yaml.safe_dump(document.copy_plain(spec, SOURCE), sort_keys=False, allow_unicode=True)


def _scheduled(of: Recurring) -> Scheduled:
    return Scheduled(
        name=of.name,
        cron=of.cron,
        zone=of.zone,
        says=calendar.check(of.cron, of.zone),
        next_due=None if of.is_paused else calendar.next_due(of.cron, of.zone, max(of.decided_until, time.time())),
        spec_text=of.spec_text,
        owner=of.owner,
        priority=of.priority,
        target=of.target,
        overlap=of.overlap,
        catch_up=of.catch_up,
        webhook=of.webhook and urlsplit(of.webhook).hostname,
        is_paused=of.is_paused,
        created_at=of.created_at,
    )
