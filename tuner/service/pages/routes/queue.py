"""What runs, what waits for its turn, and what was put aside."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tuner.ledger import LOCAL
from tuner.service.pages.rendering import page
from tuner.service.pages.visitors import Visitor
from tuner.service.state import The

router = APIRouter()
LIMIT = 100  # jobs of a state


@router.get("/queue")
def queue(request: Request, the: The, caller: Visitor) -> Response:
    """The jobs that are not over, in the order in which they are taken."""
    client = the.client()
    parts = {state: client.queue(state=state, limit=LIMIT) for state in ("running", "queued", "paused")}
    drivers = {driver.sweep: driver for driver in client.drivers()}
    return page(request, "queue.html", caller, parts=parts, drivers=drivers, local=LOCAL, limit=LIMIT)
