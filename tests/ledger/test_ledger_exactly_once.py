"""Any events in any order, lawful or not, repeated at will: the ledger takes what a few lines of plain rules take."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.errors import StoreError
from tuner.trial import Checkpointed, Event, Finished, Lost, Paused, Proposed, Reported, Started, State, TrialSpec

# Few trials, attempts, steps and facts, so that places meet; most of what is sent is true.
trial = st.sampled_from([0, 0, 0, 1])
attempt = st.sampled_from([0, 0, 0, 1, 1, 2])
key = {"trial": trial, "attempt": attempt, "at": st.sampled_from([1.0, 1.0, 1.0, 2.0])}
step = st.integers(1, 2)
numbers = st.sampled_from([{}, {"loss": 0.5}])
proposals = st.builds(
    lambda index, attempt, seed: Proposed(
        spec=TrialSpec(sweep="", index=index, attempt=attempt, params={}, seed=seed, total_steps=2), at=1.0
    ),
    trial,
    attempt,
    st.sampled_from([7, 7, 7, 7, 8]),
)
messages = st.one_of(
    st.builds(Started, **key, worker=st.just("w")),
    st.builds(Reported, **key, step=step, metrics=numbers),
    st.builds(Checkpointed, **key, step=step, path=st.just("p")),
    st.builds(Paused, **key, step=step, values=numbers),
    st.builds(Lost, **key, reason=st.just("silent")),
    st.builds(Finished, **key, step=step, outcome=st.sampled_from([State.COMPLETED, State.PRUNED]), values=numbers),
)
first = Proposed(spec=TrialSpec(sweep="", index=0, attempt=0, params={}, seed=7, total_steps=2), at=1.0)
batches = st.lists(st.lists(st.one_of(proposals, messages), min_size=1, max_size=3), min_size=4, max_size=20)


class Refused(Exception):  # noqa: N818
    pass


@dataclass
class Rules:
    """What the ledger must hold: each place once, nothing new after an outcome, or of an attempt that is over."""

    events: list[Event] = field(default_factory=list)

    def take(self, batch: list[Event]) -> None:
        before = list(self.events)
        try:
            for event in batch:
                self._one(event)
        except Refused:
            self.events = before
            raise

    def _one(self, event: Event) -> None:
        own = [e for e in self.events if e.trial == event.trial]
        latest = max((e.attempt for e in own), default=-1)
        if event.attempt > latest + isinstance(event, Proposed):
            raise Refused
        over = [e for e in own if e.attempt == event.attempt and isinstance(e, Lost | Paused)]
        if not isinstance(event, Proposed) and (event.attempt < latest or any(isinstance(e, Lost) for e in over)):
            return
        if over and not isinstance(event, Proposed | Checkpointed | Finished):
            return
        there = [e for e in own if self._place(e) == self._place(event)]
        ended = any(isinstance(e, Finished) for e in own)
        other_trial = isinstance(event, Proposed) and any(
            isinstance(e, Proposed) and e.spec.seed != event.spec.seed for e in own
        )
        if (there and there != [event]) or (ended and not there) or other_trial:
            raise Refused
        if not there:
            self.events.append(event)

    @staticmethod
    def _place(event: Event) -> tuple[object, ...]:
        match event:
            case Reported(step=step) | Checkpointed(step=step):
                return type(event), event.attempt, step
            case Finished():
                return (Finished,)
        return type(event), event.attempt


def of(sweep: str, event: Event) -> Event:
    return replace(event, spec=replace(event.spec, sweep=sweep)) if isinstance(event, Proposed) else event


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=batches, data=st.data())
def test_what_is_taken_is_what_plain_rules_take_whatever_is_sent_and_however_often(ledger, make, batches, data):
    sweep = make.sweep(ledger).id
    rules = Rules()
    sent: list[list[Event]] = []
    for fresh in ([first], *batches):
        again = [data.draw(st.sampled_from(sent))] if sent and data.draw(st.booleans()) else []
        for batch in (*again, [of(sweep, event) for event in fresh]):
            sent.append(batch)
            try:
                rules.take(batch)
            except Refused:
                with pytest.raises(StoreError):
                    ledger.append(sweep, batch)
            else:
                ledger.append(sweep, batch)
            assert list(ledger.events(sweep)) == rules.events
    finished = [event.trial for event in rules.events if isinstance(event, Finished)]
    assert len(finished) == len(set(finished))
