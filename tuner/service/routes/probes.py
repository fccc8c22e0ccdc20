"""Whether the service lives, whether its database answers, and how it fares."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel

from tuner import __version__
from tuner.errors import StoreError
from tuner.service.access import Reader
from tuner.service.problems import RETRY_SECONDS
from tuner.service.state import The

router = APIRouter(tags=["probes"])


class Health(BaseModel):
    """What a probe is told."""

    status: Literal["ok"]
    version: str


@router.get("/health")
async def health() -> Health:
    """The process answers. Wants no token."""
    return Health(status="ok", version=__version__)


@router.get("/ready")
def ready(the: The) -> Health:
    """The database answers; 503 where it does not. Wants no token, and tells nothing but that."""
    try:
        the.ledger.pages.held()
    except StoreError:
        raise HTTPException(503, "the database does not answer", {"Retry-After": str(RETRY_SECONDS)}) from None
    return Health(status="ok", version=__version__)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(the: The, _: Reader) -> Response:
    """Measures for Prometheus: latencies of requests, sweeps, trials, the queue."""
    return Response(the.measures.text(), media_type="text/plain; version=1.0.0; charset=utf-8")
