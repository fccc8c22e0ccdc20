"""What all routes of one service share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, HTTPException, Request

from tuner.client.kept import Kept
from tuner.client.local import Desk, Local
from tuner.ledger import SqlLedger
from tuner.service import admission
from tuner.service.access import Access
from tuner.service.gallery import Gallery
from tuner.service.measures import Measures
from tuner.service.problems import RETRY_SECONDS
from tuner.service.sessions import Sessions
from tuner.service.settings import AGE, STREAMS, STREAMS_EACH, Settings


@dataclass(slots=True)
class Service:
    """One service. ``stopping`` is set when it is about to end: streams end then, so that nobody waits for them.

    What takes seconds of the processor has a line of its own: ``drawing`` reports, ``preparing`` specs.
    """

    ledger: SqlLedger
    settings: Settings
    access: Access
    measures: Measures
    desk: Desk
    sessions: Sessions = field(default_factory=Sessions)
    gallery: Gallery = field(default_factory=Gallery)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    drawing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    preparing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    listeners: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, ledger: SqlLedger, settings: Settings) -> Service:
        """A service of a ledger."""
        return cls(
            ledger=ledger,
            settings=settings,
            access=Access(ledger.tokens, is_private=settings.is_private),
            measures=Measures(ledger),
            desk=Desk(ledger, Kept(ledger, AGE), admission.is_registered, lambda: settings.webhook),
        )

    def client(self, owner: str = "") -> Local:
        """What answers requests, on behalf of ``owner``."""
        return Local.of(self.desk, owner)

    @property
    def streams(self) -> int:
        """How many clients listen."""
        return self.listeners.total()

    @contextmanager
    def streaming(self, who: str) -> Iterator[None]:
        """While the block runs, ``who`` listens once more. To be entered on the event loop alone, which counts.

        Raises HTTPException where as many listen as may, of all or with that name.
        """
        again = {"Retry-After": str(RETRY_SECONDS)}
        if self.listeners[who] >= STREAMS_EACH:
            raise HTTPException(429, f"{who} listens {STREAMS_EACH} times already; end one and try again", again)
        if self.streams >= STREAMS:
            raise HTTPException(503, f"{STREAMS} clients listen already; try again", again)
        self.listeners[who] += 1
        self.measures.streams.inc()
        try:
            yield
        finally:
            self.listeners[who] -= 1
            self.listeners += Counter()  # forgets who listens no more
            self.measures.streams.dec()

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until the service is about to end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


def the_service(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service


The = Annotated[Service, Depends(the_service)]
