"""The recurring sweeps of a service."""

from __future__ import annotations

from pathlib import Path

from tuner.client.http import Http, quoted
from tuner.client.results import Scheduled
from tuner.client.schedules import CATCH_UP, PAGE, Schedules, SpecLike
from tuner.ledger import Firing
from tuner.ledger.recurring import Overlap
from tuner.space import document


class RemoteSchedules(Schedules):
    """Those of the service that ``http`` asks."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> tuple[Scheduled, ...]:
        """See Schedules."""
        return self._http.get(tuple[Scheduled, ...], "/schedules")

    def get(self, name: str) -> Scheduled:
        """See Schedules."""
        return self._http.get(Scheduled, f"/schedules/{quoted(name)}")

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
        asked = {
            "name": name,
            "spec": document.read_file(spec) if isinstance(spec, Path) else spec,
            "cron": cron,
            "zone": zone,
            "priority": priority,
            "target": target,
            "overlap": overlap,
            "catch_up": catch_up,
            "webhook": webhook,
        }
        return self._http.send(Scheduled, "POST", "/schedules", json=asked)

    def pause(self, name: str) -> Scheduled:
        """See Schedules."""
        return self._http.send(Scheduled, "PATCH", f"/schedules/{quoted(name)}", json={"is_paused": True})

    def resume(self, name: str) -> Scheduled:
        """See Schedules."""
        return self._http.send(Scheduled, "PATCH", f"/schedules/{quoted(name)}", json={"is_paused": False})

    def remove(self, name: str) -> None:
        """See Schedules."""
        self._http.ask("DELETE", f"/schedules/{quoted(name)}")

    def run_now(self, name: str) -> Firing:
        """See Schedules."""
        return self._http.send(Firing, "POST", f"/schedules/{quoted(name)}/run")

    def history(self, name: str, *, limit: int = PAGE) -> tuple[Firing, ...]:
        """See Schedules."""
        return self._http.get(tuple[Firing, ...], f"/schedules/{quoted(name)}/history", {"limit": limit})
