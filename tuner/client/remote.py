"""The client of a service: each call is one request."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from tuner.analysis.compare import Comparison
from tuner.analysis.leaderboard import Leaderboard
from tuner.client import wire
from tuner.client.client import Client, Form
from tuner.client.http import TRIES, Http, quoted
from tuner.client.remote_schedules import RemoteSchedules
from tuner.client.results import Best, Curve, Driver, Page, Shown, Standing, Told
from tuner.client.schedules import PAGE, SpecLike
from tuner.errors import UsageError
from tuner.ledger import Job, JobState, SweepState, SweepSummary
from tuner.space import document
from tuner.trial import State, TrialRecord

YAML = "application/yaml"


class Remote(Client):
    """Sweeps behind a service at ``server``; ``token`` is wanted unless it runs on this machine without any."""

    def __init__(self, *, server: str | None = None, token: str | None = None, store: str | None = None) -> None:
        if server is None or store is not None:
            raise UsageError("Client: expected the server's URL, and no store beside it: it has its own")
        self._http = Http(server, token)

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
        which = {"name": name, "status": status, "workload": workload, "after": after, "limit": limit}
        return self._http.get(Page[SweepSummary], "/sweeps", which)

    def show(self, sweep: str, *, top: int = 10) -> Shown:
        """See Client."""
        return self._http.get(Shown, _path(sweep), {"top": top})

    def standing(self, sweep: str) -> Standing:
        """See Client."""
        return self._http.get(Standing, _path(sweep, "standing"))

    def trials(
        self, sweep: str, *, state: State | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[TrialRecord]:
        """See Client."""
        return self._http.get(
            Page[TrialRecord], _path(sweep, "trials"), {"state": state, "after": after, "limit": limit}
        )

    def trial(self, sweep: str, index: int) -> TrialRecord:
        """See Client."""
        return self._http.get(TrialRecord, _path(sweep, "trials", str(index)))

    def curves(
        self, sweep: str, *, metric: str | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[Curve]:
        """See Client."""
        return self._http.get(Page[Curve], _path(sweep, "curves"), {"metric": metric, "after": after, "limit": limit})

    def best(self, sweep: str) -> Best:
        """See Client."""
        return self._http.get(Best, _path(sweep, "best"))

    def leaderboard(self, sweep: str, *, top: int = 10) -> Leaderboard:
        """See Client."""
        return self._http.get(Leaderboard, _path(sweep, "leaderboard"), {"top": top})

    def compare(self, sweeps: Sequence[str]) -> Comparison:
        """See Client."""
        return self._http.get(Comparison, "/compare", {"sweep": [*sweeps]})

    def report(self, sweep: str) -> str:
        """See Client."""
        return self._http.read(_path(sweep, "report")).text

    def export(self, sweep: str, form: Form = "yaml", *, trial: int | None = None) -> str:
        """See Client."""
        return self._http.read(_path(sweep, "export"), {"form": form, "trial": trial}).text

    def events(self, sweep: str, *, after: int = 0, follow: bool = True) -> Iterator[Told]:
        """See Client."""
        tries = TRIES  # nothing was heard yet
        while True:
            try:
                for sent in self._http.listen(_path(sweep, "events"), {"follow": follow}, after):
                    tries = 0
                    if sent.event == "over":
                        return
                    if sent.event in wire.EVENTS:
                        after = int(sent.id)
                        yield Told(position=after, event=wire.decode(sent.event, json.loads(sent.data)))
            except httpx2.TransportError as error:
                if tries >= TRIES:
                    raise self._http.away(error) from error
            tries += 1  # also where it ended in the middle: the service is being started again
            time.sleep(tries)

    # ------------------------------------------------------------ doing

    def submit(self, spec: SpecLike, *, name: str | None = None, priority: int = 0, target: str = "local") -> Job:
        """See Client."""
        query: dict[str, Any] = {"name": name, "priority": priority, "target": target}
        if isinstance(spec, Mapping):
            return self._http.send(Job, "POST", "/sweeps", query, json=dict(spec))
        if isinstance(spec, Path):
            query["source"], spec = spec.name, document.read_file(spec)
        return self._http.send(Job, "POST", "/sweeps", query, content=spec.encode(), headers={"Content-Type": YAML})

    def cancel(self, sweep: str) -> Job:
        """See Client."""
        return self._http.send(Job, "POST", _path(sweep, "cancel"))

    def pause(self, sweep: str) -> Job:
        """See Client."""
        return self._http.send(Job, "POST", _path(sweep, "pause"))

    def resume(self, sweep: str) -> Job:
        """See Client."""
        return self._http.send(Job, "POST", _path(sweep, "resume"))

    def prioritise(self, sweep: str, priority: int) -> Job:
        """See Client."""
        return self._http.send(Job, "PATCH", f"/queue/{quoted(sweep)}", json={"priority": priority})

    def queue(
        self, *, state: JobState | None = None, owner: str | None = None, after: str | None = None, limit: int = PAGE
    ) -> Page[Job]:
        """See Client."""
        return self._http.get(Page[Job], "/queue", {"state": state, "owner": owner, "after": after, "limit": limit})

    def drivers(self) -> tuple[Driver, ...]:
        """See Client."""
        return self._http.get(tuple[Driver, ...], "/workers")

    @property
    def schedules(self) -> RemoteSchedules:
        """See Client."""
        return RemoteSchedules(self._http)

    def close(self) -> None:
        """See Client."""
        self._http.close()


def _path(sweep: str, *parts: str) -> str:
    return "/".join(["/sweeps", quoted(sweep), *parts])
