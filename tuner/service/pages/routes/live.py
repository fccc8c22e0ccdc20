"""Tells the page of a sweep whenever there is something new on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool

from tuner.service.pages.visitors import Visitor
from tuner.service.routes.listening import BETWEEN, RETRY, SILENCE, EventStream
from tuner.service.routes.parameters import SweepId
from tuner.service.state import Service, The

router = APIRouter()
LAST = 2**53  # a position that no history comes to


def stamp(the: Service, sweep: str) -> str:
    """A short text that is another one when the page of a sweep would be; its first word is where the sweep stands."""
    job, news = the.ledger.queue.find(sweep), the.ledger.pages.news(sweep, LAST, 0)
    return f"{news.word} {news.recorded} {(job and job.asked) or ''}".strip()


async def found(the: The, caller: Visitor, sweep: SweepId) -> AsyncIterator[str]:
    """The id of a sweep that is there, for somebody who may see it: answered before the stream begins."""
    with the.streaming(caller.name):  # until the stream has ended
        yield (await run_in_threadpool(the.ledger.load, sweep)).id


@router.get("/sweeps/{sweep}/live", response_class=EventStream)
async def live(the: The, found: Annotated[str, Depends(found)]) -> EventStream:
    """The stamp of the sweep's page, as it is and whenever it changes."""
    return EventStream(_stamps(the, found), headers={"X-Accel-Buffering": "no"})


async def _stamps(the: Service, sweep: str) -> AsyncIterator[bytes]:
    yield format_sse_event(comment="welcome", retry=RETRY)
    told, silent = "", 0.0
    while not the.stopping.is_set():
        mark = await run_in_threadpool(stamp, the, sweep)
        if mark != told:
            told, silent = mark, 0.0
            yield format_sse_event(data_str=mark, event="stamp")
        await the.rest(BETWEEN)
        silent += BETWEEN
        if silent >= SILENCE:
            silent = 0.0
            yield KEEPALIVE_COMMENT
