"""Long lists by the page: nothing is left out, nothing comes twice, whatever is asked for. On every database."""

from __future__ import annotations

import pytest

from tuner.errors import UnknownNameError
from tuner.trial import Lost, Started, State


@pytest.fixture(scope="module")
def sweeps(ledger, make):
    """The ids of seven sweeps of two names, the oldest first."""
    return [make.sweep(ledger, name).id for name in ("pages", "pages", "other", "pages", "other", "pages", "pages")]


def walk(ask, limit):
    """What all the pages hold, one after the other."""
    items, after = [], None
    while page := ask(after, limit):
        items += page
        after = page[-1]
    return items


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_sweeps_by_the_page_are_all_of_them_newest_first(ledger, sweeps, limit):
    def ask(after, limit):
        return [found.id for found in ledger.pages.sweeps(after=after, limit=limit)]

    assert [one for one in walk(ask, limit) if one in sweeps] == sweeps[::-1]


def test_sweeps_are_filtered_before_they_are_counted(ledger, sweeps):
    found = ledger.pages.sweeps(name="other", limit=2)
    assert [one.id for one in found] == [one for one in sweeps[::-1] if one.startswith("other")][:2]
    assert ledger.pages.sweeps(workload="nothing", limit=5) == []
    assert ledger.pages.sweeps(name="' OR 1=1 --", limit=5) == []
    assert len(ledger.pages.sweeps(name="pages", workload="digits", status="interrupted", limit=3)) == 3


def test_a_page_that_is_filtered_by_what_no_column_holds_is_full_all_the_same(ledger, make):
    held = [make.sweep(ledger, "states").id for _ in range(4)]
    with ledger.lease(held[1]), ledger.lease(held[2]):
        for sweep in held[1:3]:
            ledger.set_status(sweep, "running", 1.0)
        running = ledger.pages.sweeps(name="states", status="running", limit=10)
        left = ledger.pages.sweeps(name="states", status="interrupted", limit=2)
    assert [one.id for one in running] == [held[2], held[1]]
    assert [one.id for one in left] == [held[3], held[0]]


def test_summaries_by_the_page_are_those_of_the_whole_list(ledger, make):
    sweep = make.sweep(ledger, "same").id
    ledger.append(sweep, make.history(sweep, 0))
    (paged,) = ledger.pages.sweeps(name="same", limit=1)
    assert paged == ledger.summary(sweep) == next(one for one in ledger.sweeps() if one.id == sweep)
    assert ledger.pages.news(sweep, 0, 1).word == paged.status


@pytest.fixture(scope="module")
def tried(ledger, make):
    """A sweep with trials at three states."""
    sweep = make.sweep(ledger, "tried").id
    for trial in range(5):
        ledger.append(sweep, make.history(sweep, trial, accuracy=trial / 10))
    begun = [make.proposed(sweep, 5), Started(trial=5, attempt=0, at=1.0, worker="")]
    lost = [make.proposed(sweep, 6), Lost(trial=6, attempt=0, at=1.0, reason="")]
    ledger.append(sweep, [*begun, *lost])
    return sweep


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("curves", [False, True])
def test_trials_by_the_page_are_those_of_the_sweep(ledger, tried, limit, curves):
    found, after = [], -1
    while page := ledger.pages.trials(tried, after=after, limit=limit, curves=curves):
        found += page
        after = page[-1].spec.index
    assert found == ledger.trials(tried, curves=curves)


def test_trials_that_stand_somewhere(ledger, tried):
    at = {state: [one.spec.index for one in ledger.pages.trials(tried, state=state, limit=9)] for state in State}
    assert {state: found for state, found in at.items() if found} == {
        State.COMPLETED: [0, 1, 2, 3, 4],
        State.RUNNING: [5],
        State.WAITING: [6],
    }


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_news_page_by_page_are_the_whole_history_with_its_positions(ledger, tried, size):
    told, after = [], 0
    while (news := ledger.pages.news(tried, after, size)).reached > after:
        told += news.events
        after = news.reached
    assert [event for _, event in told] == list(ledger.events(tried))
    assert [position for position, _ in told] == sorted({position for position, _ in told})
    assert after == news.recorded == ledger.pages.position(tried)


def test_news_from_beyond_the_end_are_none(ledger, tried):
    news = ledger.pages.news(tried, 10_000, 10)
    assert (news.events, news.reached) == ([], 10_000)


def test_leases_that_hold_are_listed_while_they_do(ledger, make):
    sweep = make.sweep(ledger, "held").id
    with ledger.lease(sweep):
        (held,) = [one for one in ledger.pages.held() if one.sweep == sweep]
        assert held.since < held.until
    assert sweep not in [one.sweep for one in ledger.pages.held()]


def test_totals(ledger, tried):
    assert ledger.pages.outcomes()[State.COMPLETED] >= 5
    assert sum(ledger.pages.statuses().values()) == len(ledger.sweeps())


def test_what_is_not_there(ledger):
    for ask in (
        lambda: ledger.pages.sweeps(after="no-1", limit=1),
        lambda: ledger.pages.trials("no-1", limit=1),
        lambda: ledger.pages.news("no-1", 0, 1),
    ):
        with pytest.raises(UnknownNameError, match="unknown sweep 'no-1'"):
            ask()
