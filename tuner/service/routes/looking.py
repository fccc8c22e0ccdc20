"""Sweeps, trials, curves and what follows from them: everything that is only looked at."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from tuner.analysis.compare import Comparison
from tuner.analysis.leaderboard import Leaderboard
from tuner.client import Best, Curve, Driver, Form, Page, Shown, Standing
from tuner.ledger import Status, SweepSummary
from tuner.service.access import Reader
from tuner.service.problems import DESCRIBED
from tuner.service.routes.parameters import API, After, Limit, Name, SweepId, Top, TrialIndex
from tuner.service.state import The
from tuner.trial import State, TrialRecord

router = APIRouter(prefix=API, tags=["sweeps"], responses={**DESCRIBED})
# A report has a script in no place; its styles and its drawings are its own.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
_TYPES = {"yaml": "application/yaml", "csv": "text/csv", "script": "text/x-python", "curves": "application/json"}


@router.get("/sweeps")
def sweeps(
    the: The,
    _: Reader,
    *,
    name: Name = None,
    status: Annotated[Status | None, Query(description="Of this status only.")] = None,
    workload: Annotated[str | None, Query(description="Of this workload only.", max_length=200)] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[SweepSummary]:
    """The sweeps, the newest first."""
    return the.client().list(name=name, status=status, workload=workload, after=after, limit=limit)


@router.get("/sweeps/{sweep}")
def sweep(the: The, _: Reader, sweep: SweepId, top: Top = 10) -> Shown:
    """A sweep in full, without its trials."""
    return the.client().show(sweep, top=top)


@router.get("/sweeps/{sweep}/standing")
def standing(the: The, _: Reader, sweep: SweepId) -> Standing:
    """Where a sweep stands, in few words: what to ask for again and again, if not for its events."""
    return the.client().standing(sweep)


@router.get("/sweeps/{sweep}/trials")
def trials(
    the: The,
    _: Reader,
    sweep: SweepId,
    state: Annotated[State | None, Query(description="That stand here only.")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[TrialRecord]:
    """The trials of a sweep by index, without their curves."""
    return the.client().trials(sweep, state=state, after=after, limit=limit)


@router.get("/sweeps/{sweep}/trials/{index}")
def trial(the: The, _: Reader, sweep: SweepId, index: TrialIndex) -> TrialRecord:
    """One trial, with its learning curve."""
    return the.client().trial(sweep, index)


@router.get("/sweeps/{sweep}/curves")
def curves(
    the: The,
    _: Reader,
    sweep: SweepId,
    metric: Annotated[str | None, Query(description="The first objective where none is given.", max_length=200)] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Curve]:
    """Learning curves of one metric, by trial."""
    return the.client().curves(sweep, metric=metric, after=after, limit=limit)


@router.get("/sweeps/{sweep}/best")
def best(the: The, _: Reader, sweep: SweepId) -> Best:
    """The winning configuration; 409 while no trial has completed."""
    return the.client().best(sweep)


@router.get("/sweeps/{sweep}/leaderboard")
def leaderboard(the: The, _: Reader, sweep: SweepId, top: Top = 10) -> Leaderboard:
    """The best configurations."""
    return the.client().leaderboard(sweep, top=top)


@router.get("/compare", response_model=Comparison)
async def compare(
    the: The,
    _: Reader,
    sweep: Annotated[list[str], Query(description="Sweeps by id or name.", min_length=1, max_length=20)],
) -> Comparison:
    """Several sweeps side by side, and whether their difference is beyond noise."""
    return await to_thread.run_sync(the.client().compare, sweep, limiter=the.drawing)


@router.get("/sweeps/{sweep}/report", response_class=HTMLResponse)
async def report(the: The, _: Reader, sweep: SweepId) -> HTMLResponse:
    """The report of a sweep as it stands now: one page that asks nothing of the network."""
    page = await to_thread.run_sync(the.client().report, sweep, limiter=the.drawing)
    return HTMLResponse(page, headers={"Content-Security-Policy": REPORT_POLICY})


@router.get(
    "/sweeps/{sweep}/export",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in _TYPES.values()}}},
)
def export(
    the: The,
    _: Reader,
    sweep: SweepId,
    form: Annotated[Form, Query(description="The winner as YAML or a script; all trials; all curves.")] = "yaml",
    trial: Annotated[int | None, Query(description="This trial in the winner's place.", ge=0, le=2**31 - 1)] = None,
) -> Response:
    """Results to take home."""
    return Response(the.client().export(sweep, form, trial=trial), media_type=f"{_TYPES[form]}; charset=utf-8")


@router.get("/workers")
def workers(the: The, _: Reader) -> tuple[Driver, ...]:
    """Which sweeps run now, and where."""
    return the.client().drivers()
