"""Handing sweeps over, and what becomes of them in the queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field

from tuner.client import Page
from tuner.errors import UnknownNameError, UsageError
from tuner.ledger import LOCAL, Job
from tuner.ledger.jobs import JobState
from tuner.ledger.tokens import Role
from tuner.service import admission
from tuner.service.access import Caller, Reader, Submitter
from tuner.service.problems import DESCRIBED, AnsweredError
from tuner.service.routes.documented import SPEC_BODY
from tuner.service.routes.parameters import API, After, Limit, SweepId
from tuner.service.state import Service, The

router = APIRouter(prefix=API, tags=["queue"], responses={**DESCRIBED})
KINDS = {"application/json": "json", "application/yaml": "yaml", "application/x-yaml": "yaml", "text/yaml": "yaml"}
MOST = 1_000  # how high or low a priority may be


class Priority(BaseModel):
    """Another place in the queue."""

    priority: int = Field(ge=-MOST, le=MOST, description="The higher the sooner; 0 is usual.", examples=[10])


@router.post("/sweeps", status_code=201, openapi_extra=SPEC_BODY)
async def submit(
    the: The,
    caller: Submitter,
    request: Request,
    response: Response,
    *,
    name: Annotated[
        str | None, Query(description="In place of the spec's own.", pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    ] = None,
    priority: Annotated[int, Query(description="The higher the sooner.", ge=-MOST, le=MOST)] = 0,
    target: Annotated[str, Query(description="Where it runs: one of those that the service was given.")] = LOCAL,
    source: Annotated[
        str, Query(description="What messages call the spec.", pattern=r"^[A-Za-z0-9._-]+$", max_length=100)
    ] = "sweep.yaml",
) -> Job:
    """Put a sweep into the queue: the body is its spec, as YAML or as JSON."""
    kind = KINDS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    if kind is None:
        raise HTTPException(415, f"expected a spec as one of {', '.join(KINDS)} in Content-Type")
    if target not in the.settings.targets:
        known = ", ".join(sorted(the.settings.targets))
        raise HTTPException(422, f"target: expected one of {known}, got {target[:100]!r}")
    body = await request.body()

    def work() -> Job:
        try:
            spec, text = admission.read(body, kind, source)
            admission.check(spec, the.settings.workloads)
            return the.client(caller.name).enqueue(spec, text, name=name, priority=priority, target=target)
        except UsageError as error:  # a name in the spec that nobody knows is no path that nobody knows
            raise AnsweredError(error, 422) from None

    job = await to_thread.run_sync(work, limiter=the.preparing)
    response.headers["Location"] = f"{API}/sweeps/{job.sweep}"
    return job


@router.post("/sweeps/{sweep}/cancel")
def cancel(the: The, caller: Submitter, sweep: SweepId) -> Job:
    """End a queued or running sweep for good."""
    with _changing(the, caller, sweep):
        return the.client(caller.name).cancel(sweep)


@router.post("/sweeps/{sweep}/pause")
def pause(the: The, caller: Submitter, sweep: SweepId) -> Job:
    """Stop a queued or running sweep until it is resumed."""
    with _changing(the, caller, sweep):
        return the.client(caller.name).pause(sweep)


@router.post("/sweeps/{sweep}/resume")
def resume(the: The, caller: Submitter, sweep: SweepId) -> Job:
    """Queue a sweep again that was paused, cancelled, interrupted or failed."""
    with _changing(the, caller, sweep):
        return the.client(caller.name).resume(sweep)


@router.get("/queue")
def queue(
    the: The,
    _: Reader,
    *,
    state: Annotated[JobState | None, Query(description="In this state only.")] = None,
    owner: Annotated[str | None, Query(description="Of this token only.", max_length=64)] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Job]:
    """What is or was in the queue, in its order."""
    return the.client().queue(state=state, owner=owner, after=after, limit=limit)


@router.patch("/queue/{sweep}")
def prioritise(the: The, caller: Submitter, sweep: SweepId, change: Priority) -> Job:
    """Change the place in the queue of a sweep that waits."""
    with _changing(the, caller, sweep):
        return the.client(caller.name).prioritise(sweep, change.priority)


@contextmanager
def _changing(the: Service, caller: Caller, sweep: str) -> Iterator[None]:
    """Change a sweep that is the caller's own, or anybody's for an administrator.

    What the sweep's state does not allow is answered as a conflict: the request was sound.
    """
    if caller.role is not Role.ADMIN:
        job = the.ledger.queue.find(the.ledger.load(sweep).id)
        if job is None or job.owner != caller.name:
            raise HTTPException(403, f"{sweep} is not {caller.name}'s; expected its owner, or a token of an admin")
    try:
        yield
    except UnknownNameError:
        raise
    except UsageError as error:
        raise AnsweredError(error, 409) from None
