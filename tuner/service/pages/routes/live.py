"""Tells the page of a sweep whenever there is something new on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from tuner.service.pages.visitors import Visitor
from tuner.service.routes.parameters import SweepId
from tuner.service.state import Service, The

router = APIRouter()
LAST = 2**53  # a position that no history comes to
BETWEEN = 1.0  # seconds between two looks
RETRY = 3_000  # milliseconds after which a browser that lost the stream asks again


def stamp(the: Service, sweep: str) -> str:
    """A short text that is another one when the page of a sweep would be; its first word is where the sweep stands."""
    job, news = the.ledger.queue.find(sweep), the.ledger.pages.news(sweep, LAST, 0)
    return f"{news.word} {news.recorded} {(job and job.asked) or ''}".strip()


def found(the: The, _: Visitor, sweep: SweepId) -> str:
    """The id of a sweep that is there, for somebody who may see it: answered before the stream begins."""
    the.refuse_more_streams()
    return the.ledger.load(sweep).id


@router.get("/sweeps/{sweep}/live", response_class=EventSourceResponse)
async def live(the: The, found: Annotated[str, Depends(found)]) -> AsyncIterator[ServerSentEvent]:
    """The stamp of the sweep's page, as it is and whenever it changes."""
    with the.streaming():
        yield ServerSentEvent(comment="welcome", retry=RETRY)
        told = ""
        while not the.stopping.is_set():
            mark = await run_in_threadpool(stamp, the, found)
            if mark != told:
                told = mark
                yield ServerSentEvent(raw_data=mark, event="stamp")
            await the.rest(BETWEEN)
