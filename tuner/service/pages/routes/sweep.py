"""A sweep's own page, and what it links to."""

from __future__ import annotations

from typing import Literal

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from tuner.analysis.findings import headline
from tuner.client import Form as ExportForm
from tuner.client import Shown, Standing
from tuner.ledger import SqlLedger
from tuner.service import gallery
from tuner.service.access import Caller
from tuner.service.pages.rendering import page
from tuner.service.pages.routes.live import stamp
from tuner.service.pages.visitors import Changer, Form, Visitor
from tuner.service.pages.words import happened
from tuner.service.routes import doing, looking
from tuner.service.routes.parameters import SweepId
from tuner.service.state import The
from tuner.trial import Checkpointed, Event, Reported, Started

router = APIRouter(prefix="/sweeps/{sweep}")
TOP = 10
LATEST, AMONG = 12, 400  # events that are shown, of so many positions
FILES = {"yaml": "yaml", "script": "py", "csv": "csv", "curves": "json"}
Change = Literal["cancel", "pause", "resume"]


@router.get("")
def sweep(request: Request, the: The, caller: Visitor, sweep: SweepId) -> Response:
    """Where a sweep stands and what it has found."""
    client = the.client()
    found = client.standing(sweep).summary.id
    mark = stamp(the, found)  # asked first: whatever is recorded from now on changes it
    shown = client.show(found, top=TOP)
    standing = Standing(summary=shown.summary, job=shown.job)
    return page(
        request,
        "sweep.html",
        caller,
        shown=shown,
        standing=standing,
        headline=the.desk.kept.look(found).made("headline", headline),
        allowed=_allowed(shown, standing, caller),
        pictures=gallery.captions(shown.sweep.objectives[0].metric) if shown.summary.ended else [],
        latest=[(event, happened(event)) for event in _latest(the.ledger, found)],
        position=the.ledger.pages.position(found),
        mark=mark,
        mlflow=the.settings.mlflow,
    )


@router.get("/pictures/{name}.svg")
async def picture(
    the: The,
    _: Visitor,
    sweep: SweepId,
    name: gallery.Name,
    *,
    at: int = Query(0, ge=0, le=2**53),
    narrow: bool = False,
) -> Response:
    """A picture that shows at least what was recorded up to the position ``at``."""

    def work() -> str:
        found = the.ledger.load(sweep)
        return the.gallery.picture(the.ledger, found, name, at, wide=not narrow)

    drawn = await to_thread.run_sync(work, limiter=the.drawing)
    return Response(drawn, media_type="image/svg+xml", headers={"Content-Security-Policy": gallery.POLICY})


@router.get("/report")
async def report(the: The, caller: Visitor, sweep: SweepId) -> Response:
    """The whole report."""
    return await looking.report(the, caller, sweep)


@router.get("/export")
def export(the: The, caller: Visitor, sweep: SweepId, form: ExportForm = "yaml") -> Response:
    """Results to take home, as a file."""
    answer = looking.export(the, caller, sweep, form)
    answer.headers["Content-Disposition"] = f'attachment; filename="{sweep}.{FILES[form]}"'
    return answer


@router.get("/mlflow")
def mlflow(the: The, _: Visitor, sweep: SweepId) -> Response:
    """On to the sweep's run in MLflow."""
    if the.settings.mlflow is None:
        raise HTTPException(404, "this service has no MLflow server; `tuner serve --mlflow http://...` names one")
    return RedirectResponse(the.settings.mlflow.address_of(the.ledger.load(sweep)), 303)


@router.post("/{change}")
def change(the: The, caller: Changer, sweep: SweepId, change: Change, _: Form) -> Response:
    """Cancel a sweep, pause it, or queue it again."""
    job = {"cancel": doing.cancel, "pause": doing.pause, "resume": doing.resume}[change](the, caller, sweep)
    return RedirectResponse(f"/sweeps/{job.sweep}", 303)


def _allowed(shown: Shown, standing: Standing, caller: Caller) -> tuple[Change, ...]:
    """What the caller may do with a sweep now."""
    job = shown.job
    if not caller.may_change(job.owner if job else None):
        return ()
    if job is None:
        return ("resume",) if standing.word in ("interrupted", "failed") else ()
    if job.asked == "cancel":
        return ()
    if job.state == "running":
        return ("cancel",) if job.asked else ("pause", "cancel")
    changes: dict[str, tuple[Change, ...]] = {
        "queued": ("pause", "cancel"),
        "paused": ("resume", "cancel"),
        "cancelled": ("resume",),
        "failed": ("resume",),
    }
    return changes.get(job.state, ())


def _latest(ledger: SqlLedger, sweep: str) -> list[Event]:
    """What happened last, the latest first, without every trial's every step."""
    recorded = ledger.pages.position(sweep)
    news = ledger.pages.news(sweep, max(0, recorded - AMONG), AMONG)
    told: list[Event] = [event for _, event in news.events if not isinstance(event, Reported | Checkpointed | Started)]
    return told[: -LATEST - 1 : -1]
