"""Sweeps that run by the calendar."""

from __future__ import annotations

import time
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from tuner import spec as specs
from tuner.client import Scheduled
from tuner.client.local_schedules import SOURCE, text_of
from tuner.cluster import calendar
from tuner.cluster.recurring import due_sweep, read_due
from tuner.cluster.recurring import run_now as fire_now
from tuner.errors import UsageError
from tuner.ledger import LOCAL, Firing, NewSweep, Recurring
from tuner.ledger.recurring import Overlap
from tuner.ledger.tokens import Role
from tuner.service import admission
from tuner.service.access import Caller, Reader, Submitter
from tuner.service.problems import DESCRIBED, AnsweredError
from tuner.service.routes.documented import EXAMPLE_YAML
from tuner.service.routes.doing import MOST
from tuner.service.routes.parameters import API
from tuner.service.state import Service, The

router = APIRouter(prefix=f"{API}/schedules", tags=["schedules"], responses={**DESCRIBED})
NAME = r"^[a-z0-9][a-z0-9-]*$"
Name = Annotated[str, Path(description="A recurring sweep's name.", pattern=NAME, max_length=64)]


class New(BaseModel):
    """A sweep that is to run by the calendar."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME, max_length=64, examples=["nightly"])
    spec: str | dict[str, Any] = Field(
        description="The spec, as YAML text or as an object; `{{ date }}`, `{{ due }}`, `{{ run }}` are filled in.",
        examples=[EXAMPLE_YAML],
    )
    cron: str = Field(max_length=200, description="Minute, hour, day, month, day of week.", examples=["0 2 * * *"])
    zone: str = Field(default="UTC", max_length=64, examples=["Europe/Berlin"])
    priority: int = Field(default=0, ge=-MOST, le=MOST)
    target: str = Field(default=LOCAL, description="Where it runs: one of those that the service was given.")
    overlap: Overlap = Field(default="skip", description="What is done while the last one still waits or runs.")
    catch_up: float = Field(default=3600.0, ge=0, le=30 * 86_400, description="For how long a run can be made up for.")
    webhook: str | None = Field(default=None, max_length=2_000, description="An https address of an allowed host.")


class Change(BaseModel):
    """What is to change."""

    model_config = ConfigDict(extra="forbid")

    is_paused: bool


@router.get("")
def every(the: The, _: Reader) -> tuple[Scheduled, ...]:
    """The recurring sweeps, by name."""
    return the.client().schedules.all()


@router.post("", status_code=201)
async def add(the: The, caller: Submitter, new: New, response: Response) -> Scheduled:
    """Let a sweep run by the calendar."""
    _check_target(the, new.target)

    def work() -> Scheduled:
        try:
            text = text_of(new.spec)
            calendar.check(new.cron, new.zone)
            sample, _ = read_due(text, SOURCE, time.time(), new.zone, 1)
            admission.check(sample, the.settings.workloads)
            options = new.model_dump(exclude={"name", "spec"})
            return the.client(caller.name).schedules.add(new.name, text, **options)
        except UsageError as error:
            raise AnsweredError(error, 422) from None

    added = await to_thread.run_sync(work, limiter=the.preparing)
    response.headers["Location"] = f"{API}/schedules/{added.name}"
    return added


@router.get("/{name}")
def one(the: The, _: Reader, name: Name) -> Scheduled:
    """One recurring sweep."""
    return the.client().schedules.get(name)


@router.patch("/{name}")
def change(the: The, caller: Submitter, name: Name, change: Change) -> Scheduled:
    """Pause it, or let it go on; what was due in a pause is not made up for."""
    _check_owner(the, caller, name)
    schedules = the.client(caller.name).schedules
    return schedules.pause(name) if change.is_paused else schedules.resume(name)


@router.delete("/{name}", status_code=204)
def remove(the: The, caller: Submitter, name: Name) -> None:
    """Forget it and its history; its sweeps stay, and those in the queue go on."""
    _check_owner(the, caller, name)
    the.client(caller.name).schedules.remove(name)


@router.post("/{name}/run", status_code=201)
async def run_now(the: The, caller: Submitter, name: Name) -> Firing:
    """Queue its sweep now, beside the calendar."""

    def work() -> Firing:
        _check_owner(the, caller, name)
        return fire_now(the.ledger, name, time.time(), draft)

    def draft(recurring: Recurring, due_at: float, run: int) -> NewSweep:
        """Its sweep; one that was added on this machine may name what nobody may have loaded over HTTP."""
        _check_target(the, recurring.target)
        spec, _ = read_due(recurring.spec_text, recurring.source, due_at, recurring.zone, run)
        if recurring.folder is not None:
            specs.refuse_own(spec, f"run it on the machine that has its files: `tuner schedule run-now {name}`")
        admission.check(spec, the.settings.workloads)
        return due_sweep(recurring, due_at, run)

    return await to_thread.run_sync(work, limiter=the.preparing)


@router.get("/{name}/history")
def history(
    the: The,
    _: Reader,
    name: Name,
    limit: Annotated[int, Query(description="How many.", ge=1, le=1_000)] = 100,
) -> tuple[Firing, ...]:
    """What became of its due times, the latest first, and how each run's winner stands to the one before."""
    return the.client().schedules.history(name, limit=limit)


def _check_target(the: Service, target: str) -> None:
    """Raise HTTPException where the service was not given that target."""
    if target not in the.settings.targets:
        raise HTTPException(422, f"target: expected one of {', '.join(sorted(the.settings.targets))}")


def _check_owner(the: Service, caller: Caller, name: str) -> None:
    """Raise HTTPException unless it is the caller's own, or the caller an administrator."""
    owner = the.client().schedules.get(name).owner
    if caller.role is not Role.ADMIN and owner != caller.name:
        raise HTTPException(403, f"{name} is not {caller.name}'s; expected its owner, or a token of an admin")
