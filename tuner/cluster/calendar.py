"""When a recurring sweep is due: a cron expression in a time zone, read as Debian's cron reads it (cronsim).

Where clocks go forward, a time of day that is left out is due at the first moment after the gap; where they go back, a
time of day that comes twice is due the first time only. An expression with ``*`` for its minutes or hours follows real
time instead: what is due every hour is due every hour, also on such days.
"""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile

from cronsim import CronSim, CronSimError

from tuner.errors import UsageError, suggest

FIELDS = "minute hour day-of-month month day-of-week"


def check(cron: str, zone: str) -> str:
    """What a cron expression says, in English. Raises UsageError where it says nothing, or for an unknown zone."""
    if zone not in zoneinfo.available_timezones():
        near = suggest(zone, zoneinfo.available_timezones())
        raise UsageError(f"--tz: expected a time zone such as Europe/Berlin or UTC, got {zone!r}{near}")
    try:
        if len(cron.split()) != len(FIELDS.split()):
            raise CronSimError(f"{len(cron.split())} fields")
        parsed = CronSim(cron, datetime.now(zoneinfo.ZoneInfo(zone)))
        next(parsed)
    except (CronSimError, StopIteration) as error:
        why = str(error).replace("Bad", "a wrong") or "a day that never comes"
        raise UsageError(
            f"--cron: expected five fields ({FIELDS}), e.g. '0 2 * * *' for every day at two, got {cron!r}: {why}"
        ) from None
    return str(parsed.explain())


def due_times(cron: str, zone: str, *, after: float, until: float) -> Iterator[float]:
    """The due times after one moment up to another, as UTC seconds."""
    # In an hour that comes twice, cronsim begins in the first one, which may be over.
    times = (due.timestamp() for due in CronSim(cron, local(after, zone)))
    return takewhile(lambda due: due <= until, (due for due in times if due > after))


def next_due(cron: str, zone: str, after: float) -> float:
    """The first due time after that moment, as UTC seconds."""
    return next(due_times(cron, zone, after=after, until=math.inf))


def local(at: float, zone: str) -> datetime:
    """That moment as the clocks of the zone show it."""
    return datetime.fromtimestamp(at, zoneinfo.ZoneInfo(zone))
