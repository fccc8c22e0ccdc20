"""A sweep's events as they are recorded, by server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool

from tuner.client import wire
from tuner.service.access import Reader
from tuner.service.problems import DESCRIBED
from tuner.service.routes.parameters import API, SweepId
from tuner.service.state import Service, The
from tuner.trial import Event

router = APIRouter(prefix=API, tags=["sweeps"], responses={**DESCRIBED})
SIZE = 500  # positions that are read at a time
BETWEEN = 1.0  # seconds between two looks
SILENCE = 15.0  # seconds after which a stream says that it is alive
RETRY = 2_000  # milliseconds after which a browser that lost the stream asks again


class EventStream(StreamingResponse):
    """Server-sent events. FastAPI's own response for them ends with an error in the log when a client goes away."""

    media_type = "text/event-stream"


EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The event's position; none of `status` and `over`."},
        "event": {
            "type": "string",
            "description": "Its kind: `proposed`, `started`, `reported`, ..., `status`, `over`.",
        },
        "data": {"type": "string", "description": "Its fields as JSON."},
        "retry": {"type": "integer"},
    },
}


async def found(the: The, caller: Reader, sweep: SweepId) -> AsyncIterator[str]:
    """The id of a sweep that is there, for somebody who may listen to it: answered before the stream begins."""
    with the.streaming(caller.name):  # until the stream has ended
        yield (await run_in_threadpool(the.ledger.load, sweep)).id


@router.get(
    "/sweeps/{sweep}/events",
    response_class=EventStream,
    responses={200: {"content": {EventStream.media_type: {"schema": EVENT}}}},
)
async def events(
    the: The,
    found: Annotated[str, Depends(found)],
    last_event_id: Annotated[
        int, Header(description="The position after which to begin.", ge=0, le=2**53, examples=[0])
    ] = 0,
    follow: Annotated[bool, Query(description="Stay for what is to come.")] = True,
) -> EventStream:
    """Every event after `Last-Event-ID`, each with its position as `id` and its kind as `event`.

    `status` tells where the sweep stands whenever that changes, `over` that nothing more is to come. A client that lost
    its connection sends the last `id` it heard and misses nothing.
    """
    headers = {"X-Accel-Buffering": "no"}  # what stands in front of the service shall pass each event on at once
    return EventStream(_told(the, found, last_event_id, follow=follow), headers=headers)


async def _told(the: Service, sweep: str, after: int, *, follow: bool) -> AsyncIterator[bytes]:
    yield format_sse_event(comment="welcome", retry=RETRY)
    word, silent = "", 0.0
    while not the.stopping.is_set():
        news = await run_in_threadpool(the.ledger.pages.news, sweep, after, SIZE)
        if news.events:
            yield b"".join(_event(position, event) for position, event in news.events)
            silent = 0.0
        after = news.reached
        if after < news.recorded:
            continue
        if news.word != word:
            word = news.word
            yield format_sse_event(data_str=json.dumps({"status": word}), event="status")
        if not follow or word not in ("queued", "running", "paused"):
            yield format_sse_event(data_str=json.dumps({"status": word}), event="over")
            return
        await the.rest(BETWEEN)
        silent += BETWEEN
        if silent >= SILENCE:
            yield KEEPALIVE_COMMENT
            silent = 0.0


def _event(position: int, event: Event) -> bytes:
    return format_sse_event(data_str=json.dumps(wire.encode(event)), event=wire.tag(event), id=str(position))
