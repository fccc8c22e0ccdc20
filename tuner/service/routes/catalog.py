"""What there is to name in a spec: optimizers, schedules, workloads, search spaces; and the OpenAPI document itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tuner import optim, schedules, space, workloads
from tuner.reference.entries import described
from tuner.service.access import Reader
from tuner.service.problems import DESCRIBED
from tuner.service.routes.parameters import API
from tuner.service.state import The

router = APIRouter(prefix=API, tags=["catalog"], responses={**DESCRIBED})
Entries = list[dict[str, Any]]


@router.get("/optimizers")
def optimizers(_: Reader) -> Entries:
    """The optimizers: what each does, and its hyperparameters with their domains and ranges."""
    return _described((name, optim.get(name)) for name in optim.names())


@router.get("/schedules-registry")
def learning_rate_schedules(_: Reader) -> Entries:
    """The learning-rate schedules; `/schedules` are sweeps that run by the calendar."""
    return _described((name, schedules.get(name)) for name in schedules.names())


@router.get("/workloads")
def allowed_workloads(the: The, _: Reader) -> Entries:
    """The workloads that a spec may name here."""
    return _described((name, workloads.load(name)) for name in sorted(the.settings.workloads))


@router.get("/spaces")
def spaces(_: Reader) -> Entries:
    """The search spaces that a spec takes by `use: NAME`."""
    return [{"name": name, "source": space.preset(name).source} for name in space.names()]


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, _: Reader) -> JSONResponse:
    """This interface as an OpenAPI document."""
    return JSONResponse(request.app.openapi())


def _described(entries: Iterable[tuple[str, Any]]) -> Entries:
    return [described(name, entry) for name, entry in entries]
