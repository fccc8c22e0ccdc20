"""The first page: every sweep, and beside them what waits and what comes again."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request, Response

from tuner.client import Standing
from tuner.ledger import SweepState
from tuner.service.pages.rendering import page
from tuner.service.pages.visitors import Visitor
from tuner.service.routes.parameters import After
from tuner.service.state import The

router = APIRouter()
LIMIT = 25  # sweeps a page
NEXT = 6  # jobs and recurring sweeps beside them


@router.get("/")
def sweeps(
    request: Request,
    the: The,
    caller: Visitor,
    *,
    name: Annotated[str, Query(max_length=64)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
    after: After = None,
) -> Response:
    """The sweeps, the newest first, those of a name or a status alone where one is given."""
    client, known = the.client(), get_args(SweepState)
    wanted: SweepState | None = next((state for state in known if state == status), None)
    found = client.list(name=name.strip() or None, status=wanted, after=after, limit=LIMIT)
    jobs = the.ledger.queue.among([summary.id for summary in found.items])
    running = client.queue(state="running", limit=NEXT)
    return page(
        request,
        "sweeps.html",
        caller,
        standings=[Standing(summary=summary, job=jobs.get(summary.id)) for summary in found.items],
        next_page=found.next,
        name=name,
        status=wanted,
        states=known,
        is_first=after is None,
        jobs=(*running.items, *client.queue(state="queued", limit=NEXT).items),
        recurring=client.schedules.all(),
    )
