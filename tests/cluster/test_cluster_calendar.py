"""When a cron expression is due, on the days when clocks change and on all others."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.cluster import calendar
from tuner.errors import UsageError

DAY = 86_400
# A zone; the day its clocks go forward, a time of day left out, the first moment after it; the day they go back, a time
# that comes twice, and how far the two are apart.
ZONES = [
    ("Europe/Berlin", "2026-03-29", "30 2", "03:00", "2026-10-25", "30 2", 3600),
    ("America/New_York", "2026-03-08", "15 2", "03:00", "2026-11-01", "15 1", 3600),
    ("Australia/Lord_Howe", "2026-10-04", "10 2", "02:30", "2026-04-05", "45 1", 1800),
]


def at(day, time, zone, fold=0):
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def due(cron, zone, after, until):
    return list(calendar.due_times(cron, zone, after=after, until=until))


@pytest.mark.parametrize(("zone", "day", "left_out", "first"), [row[:4] for row in ZONES])
def test_a_time_that_is_left_out_is_due_at_the_first_moment_after_the_gap(zone, day, left_out, first):
    midnight = at(day, "00:00", zone)
    times = due(f"{left_out} * * *", zone, midnight - 2 * DAY, midnight + 3 * DAY)
    assert at(day, first, zone) in times
    assert len(times) == len(set(times)) == 5
    assert {f"{calendar.local(t, zone):%d}" for t in times} == {
        f"{calendar.local(midnight + n * DAY + DAY / 2, zone):%d}" for n in range(-2, 3)
    }


@pytest.mark.parametrize(("zone", "day", "twice", "apart"), [(row[0], *row[4:]) for row in ZONES])
def test_a_time_that_comes_twice_is_due_the_first_time_only(zone, day, twice, apart):
    minute, hour = twice.split()
    first, second = (at(day, f"{int(hour):02}:{minute}", zone, fold) for fold in (0, 1))
    assert second - first == apart
    midnight = at(day, "00:00", zone)
    assert due(f"{twice} * * *", zone, midnight, midnight + DAY) == [first]
    for after in (first, first + 1, first + apart / 2, second - 1, second):  # whenever somebody looks
        assert due(f"{twice} * * *", zone, after, second + 3600) == []


@pytest.mark.parametrize("zone", [row[0] for row in ZONES])
@pytest.mark.parametrize("kind", [1, 4])
def test_what_is_due_every_half_hour_follows_real_time(zone, kind):
    day = next(row for row in ZONES if row[0] == zone)[kind]
    midnight = at(day, "00:00", zone)
    times = due("*/30 * * * *", zone, midnight, midnight + DAY)
    assert {later - earlier for earlier, later in pairwise(times)} == {1800.0}
    assert len(times) == 48


@settings(max_examples=60)
@given(
    st.sampled_from(["*/17 * * * *", "30 2 * * *", "0 */3 * * *", "15 1 * * *", "5,35 0-4 * * *"]),
    st.sampled_from([(row[0], row[kind]) for row in ZONES for kind in (1, 4)]),
    st.floats(0, DAY),
    st.floats(0, 2 * DAY),
)
def test_due_times_do_not_depend_on_when_somebody_looks(cron, change, before, later):
    """Looking twice finds what looking once would have found: nothing is lost in between and nothing comes twice."""
    zone, day = change
    after = at(day, "00:00", zone) - before
    between, end = after + later, after + 3 * DAY
    whole = due(cron, zone, after, end)
    assert due(cron, zone, after, between) + due(cron, zone, between, end) == whole
    assert whole == sorted(set(whole))
    assert all(after < t <= end for t in whole)


def test_a_time_in_utc():
    start = datetime(2026, 2, 27, 12, tzinfo=UTC).timestamp()
    assert calendar.next_due("0 2 29 2 *", "UTC", start) == datetime(2028, 2, 29, 2, tzinfo=UTC).timestamp()


def test_an_expression_is_said_in_english():
    assert "02:00" in calendar.check("0 2 * * *", "Europe/Berlin")


MISTAKES = [
    ("0 25 * * *", "UTC", "got '0 25 * * *': a wrong hour"),
    ("0 2 * *", "UTC", "got '0 2 * *': 4 fields"),
    ("0 0 2 * * *", "UTC", "got '0 0 2 * * *': 6 fields"),
    ("@daily", "UTC", "expected five fields (minute hour day-of-month month day-of-week), e.g. '0 2 * * *'"),
    ("0 0 30 2 *", "UTC", "a wrong day-of-month"),
    ("0 2 * * *", "Europe/Berln", "got 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
    ("0 2 * * *", "Europe", "expected a time zone such as Europe/Berlin or UTC, got 'Europe'"),
    ("0 2 * * *", "../etc/passwd", "expected a time zone"),
    ("0 2 * * *", "", "expected a time zone"),
]


@pytest.mark.parametrize(("cron", "zone", "message"), MISTAKES)
def test_what_makes_no_sense_is_said(cron, zone, message):
    with pytest.raises(UsageError) as raised:
        calendar.check(cron, zone)
    assert message in str(raised.value)
