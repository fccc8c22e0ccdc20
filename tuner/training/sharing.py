"""Whose row trains whom: steps that trials have in common are made once, by one of them.

A *host* has a row, or waits for one. A *guest* follows a host up to the step where they part: it takes no row, and what
the host's evaluations say, it tells as its own. At that step it gets a copy of the row, and waits for one of its own.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tuner.training.prefix import Prefix
from tuner.training.slot import Saved, Slot
from tuner.training.snapshots import Snapshots
from tuner.trial import Metrics, State, TrialSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a host ended, and all its guests with it: they would have come to the same."""

    outcome: State
    step: int
    note: str


Word = tuple[int, Metrics] | Ending
"""What a guest has to tell: an evaluation after so many steps, or its end."""


@dataclass(eq=False)
class Entry:
    """A trial of the engine, and where it stands.

    ``saved`` is what it goes on from once it has a row. ``backlog`` is what it has still to tell, one word a step of
    the engine: so it can be stopped at each of its evaluations, as one that makes the steps itself.
    """

    slot: Slot
    prefix: Prefix | None
    saved: Saved | None = None
    stands: Literal["waits", "trains", "follows", "tells"] = "waits"
    host: Entry | None = None
    until: int = 0  # the step at which a guest parts from its host
    guests: list[Entry] = field(default_factory=list)  # in the order in which they part
    backlog: deque[Word] = field(default_factory=deque)

    @property
    def step(self) -> int:
        """Steps that are done of what it trains, or will go on from."""
        if self.stands == "trains":
            return self.slot.step
        return self.saved["step"] if self.saved else 0

    @property
    def is_to_pause(self) -> bool:
        """Whether it needs no row: what it has is what it is to pause with."""
        return self.saved is not None and self.saved["step"] == self.slot.trial.pause_step

    def curve(self) -> Sequence[tuple[int, Metrics]]:
        """The evaluations in these steps."""
        if self.stands == "trains":
            return self.slot.curve
        return self.saved["curve"] if self.saved else ()

    @property
    def last(self) -> int:
        """The step with which this attempt ends, if nothing ends it before."""
        pause = self.slot.trial.pause_step
        return self.slot.recipe.total_steps if pause is None else pause

    @property
    def ahead(self) -> int:
        """The steps to come, its guests' included, as far as they are not its own."""
        return self.last - self.step + sum(guest.last - guest.until for guest in self.guests)

    def common(self, other: Entry) -> int:
        """Steps of this attempt that ``other`` makes as well."""
        if self.prefix is None or other.prefix is None:
            return 0
        return min(self.prefix.common(other.prefix), self.last)


class Sharing:
    """Every trial of an engine until it ends, and whom it follows."""

    def __init__(self) -> None:
        self._entries: dict[Slot, Entry] = {}
        self._waiting: list[Entry] = []
        self._talking: dict[Entry, None] = {}
        self._snapshots = Snapshots()

    def is_empty(self) -> bool:
        """Whether no trial is here."""
        return not self._entries

    def has(self, trial: int) -> bool:
        """Whether this trial is here."""
        return any(slot.trial.index == trial for slot in self._entries)

    def claims(self, ahead: int) -> int:
        """How many trials wait for a row, not counting up to ``ahead`` that have yet to tell what was done for them."""
        catching_up = sum(bool(entry.backlog) for entry in self._waiting)
        return len(self._waiting) - min(catching_up, ahead)

    def enter(self, slot: Slot, saved: Saved | None, prefix: Prefix | None) -> None:
        """Take a trial in, to go on from ``saved`` or from its start, or from where others have come for it.

        One without a ``prefix`` shares nothing.
        """
        if saved is not None:
            slot.restore(saved)
        entry = self._entries[slot] = Entry(slot, prefix, saved)
        others = (other for other in self._entries.values() if other.stands in ("trains", "waits"))
        host, until = _best(entry, (other for other in others if other is not entry))
        left = self._snapshots.best(prefix, entry.last) if prefix else None
        if left is not None and left["step"] > until:
            self._catch_up(entry, left["curve"])
            self._go_on([entry], left)
        elif host is not None:
            self._catch_up(entry, host.curve())
            _follow(entry, host, until)
        else:
            self._waiting.append(entry)

    def seat(self, rows: int) -> list[tuple[Slot, Saved | None]]:
        """The next trials for so many rows, each with what it goes on from: first those with the most steps to come."""
        ready = [entry for entry in self._waiting if not entry.backlog]
        seated = sorted(ready, key=lambda entry: -entry.ahead)[: max(rows, 0)]
        arrivals = [(entry.slot, entry.saved) for entry in seated]
        for entry in seated:
            self._waiting.remove(entry)
            entry.stands, entry.saved = "trains", None
        return arrivals

    def report(self, slot: Slot, metrics: Metrics) -> None:
        """What an evaluation of a host said is its guests' to tell."""
        for guest in self._entries[slot].guests:
            self._catch_up(guest, [(slot.step, metrics)])

    def owners(self, slot: Slot) -> tuple[TrialSpec, ...]:
        """The trials whose state is that of this one, which trains: its own, and those that have told as much."""
        guests = self._entries[slot].guests
        return slot.trial, *(guest.slot.trial for guest in guests if not guest.backlog)

    def wants_copy(self, slot: Slot) -> bool:
        """Whether somebody goes on from the state of a host as it is now, or may some day."""
        entry = self._entries[slot]
        return entry.prefix is not None and (slot.is_due() or bool(entry.guests and entry.guests[0].until == slot.step))

    def copy(self, slot: Slot, saved: Saved) -> None:
        """Here is the state of a host after its present step."""
        host = self._entries[slot]
        parting = [guest for guest in host.guests if guest.until == slot.step]
        host.guests = host.guests[len(parting) :]
        self._go_on(parting, saved)
        if slot.is_due() and host.prefix is not None:
            self._snapshots.keep(host.prefix, saved)

    def part(self, slot: Slot, save: Callable[[], Saved] | None = None) -> None:
        """A trial leaves; its guests go on without it, from the state that ``save`` gives if it has a row."""
        entry = self._forget(slot)
        if entry.guests:
            self._go_on(entry.guests, save() if save else entry.saved)

    def fall(self, slot: Slot, ending: Ending) -> None:
        """A host ends in a way that its guests cannot outlive."""
        for guest in self._forget(slot).guests:
            guest.stands, guest.host = "tells", None
            self._add(guest, ending)

    def find(self, trials: Collection[int]) -> list[Slot]:
        """Those of these trials that have no row."""
        rowless = (slot for slot, entry in self._entries.items() if entry.stands != "trains")
        return [slot for slot in rowless if slot.trial.index in trials] if trials else []

    def words(self) -> Iterator[tuple[Slot, Word]]:
        """The next word of each that has something to tell."""
        for entry in list(self._talking):
            word = entry.backlog.popleft()
            if not entry.backlog:
                del self._talking[entry]
            yield entry.slot, word

    def pausing(self) -> list[tuple[Slot, Saved]]:
        """Trials that have told all there was up to where they pause, and their states there."""
        resting = [entry for entry in self._waiting if entry.is_to_pause and not entry.backlog]
        return [(entry.slot, entry.saved) for entry in resting if entry.saved is not None]

    def _go_on(self, entries: Iterable[Entry], saved: Saved | None) -> None:
        """Have trials that have come to one state go on from there: again as few as can be, the others follow."""
        hosts: list[Entry] = []
        for entry in entries:
            entry.saved, entry.host, entry.stands = saved, None, "waits"
            if entry.step == entry.slot.recipe.total_steps:
                entry.saved, entry.stands = None, "tells"
                continue
            host, until = _best(entry, hosts)
            if host is not None:
                _follow(entry, host, until)
            else:
                self._waiting.append(entry)
                hosts.append(entry)

    def _catch_up(self, entry: Entry, curve: Iterable[tuple[int, Metrics]]) -> None:
        """Have it tell the evaluations that it, or an attempt before it, has not told."""
        for step, metrics in curve:
            if step > entry.slot.step:
                self._add(entry, (step, metrics))

    def _add(self, entry: Entry, word: Word) -> None:
        entry.backlog.append(word)
        self._talking[entry] = None

    def _forget(self, slot: Slot) -> Entry:
        entry = self._entries.pop(slot)
        self._talking.pop(entry, None)
        if entry in self._waiting:
            self._waiting.remove(entry)
        if entry.host is not None:
            entry.host.guests.remove(entry)
        return entry


def _best(entry: Entry, hosts: Iterable[Entry]) -> tuple[Entry | None, int]:
    """The host that ``entry`` can follow farthest, up to which step, and farther than it has come by itself."""
    best: Entry | None = None
    until = entry.slot.step
    for host in hosts:
        shared = entry.common(host)
        if shared > until and shared > host.step:
            best, until = host, shared
    return best, until


def _follow(entry: Entry, host: Entry, until: int) -> None:
    entry.stands, entry.host, entry.until, entry.saved = "follows", host, until, None
    insort(host.guests, entry, key=lambda guest: guest.until)
