"""The sweeps that run by the calendar, and what came of each time they were due."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from tuner.service.pages.rendering import page
from tuner.service.pages.visitors import Changer, Form, Visitor
from tuner.service.routes import recurring as api
from tuner.service.state import The

router = APIRouter(prefix="/schedules")
HISTORY = 100


@router.get("")
def schedules(request: Request, the: The, caller: Visitor) -> Response:
    """Every recurring sweep, with what became of its last due time."""
    known = the.client().schedules
    every = [(one, next(iter(known.history(one.name, limit=1)), None)) for one in known.all()]
    return page(request, "schedules.html", caller, every=every)


@router.get("/{name}")
def schedule(request: Request, the: The, caller: Visitor, name: api.Name) -> Response:
    """One of them, with its history."""
    known = the.client().schedules
    return page(request, "schedule.html", caller, one=known.get(name), history=known.history(name, limit=HISTORY))


@router.post("/{name}/{change}")
async def change(
    the: The, caller: Changer, name: api.Name, change: Literal["pause", "resume", "run"], _: Form
) -> Response:
    """Let it rest, let it go on, or queue its sweep now."""
    if change == "run":
        await api.run_now(the, caller, name)
    else:
        await run_in_threadpool(api.change, the, caller, name, api.Change(is_paused=change == "pause"))
    return RedirectResponse(f"/schedules/{name}", 303)
