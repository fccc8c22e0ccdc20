"""The buckets of an engine: which trials lie side by side, and in how many rows."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator

import torch

from tuner.training.bucket import Bucket, Troubles
from tuner.training.compiler import Compiler
from tuner.training.feed import Feed, feed
from tuner.training.memory import explained
from tuner.training.pace import COMPILED, Pace
from tuner.training.slot import Saved, Slot
from tuner.training.structure import Structure, key_of
from tuner.training.tuning import tune
from tuner.workloads import Workload

LADDER = (*range(1, 8), *(step * 2**power for power in range(7) for step in (8, 10, 12, 14)), 1024)
"""Rows that a bucket may have: few sizes, so that a compiled program is met again."""

SETTLED = 20
"""Steps without a newcomer after which a bucket gives up the rows that it does not need."""

REMEMBERED = 32
"""Structures that are kept while none of their trials is here, for the next one."""

Arrival = tuple[Slot, Saved | None]


class Rack:
    """Puts trials of one structure into as few buckets as their best width allows.

    ``form`` is the one form of a step to use where it can be; None: the fastest, found by measuring.
    """

    def __init__(
        self,
        workload: Workload,
        device: torch.device,
        dtype: torch.dtype,
        *,
        form: str | None = None,
        most: int,
        compiler: Compiler | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        self._workload, self._device, self._dtype = workload, device, dtype
        self._most = most
        self._form = form
        self._only = form if device.type == "cpu" or form else COMPILED
        self._compiler, self._autocast = compiler, autocast
        self._structures: dict[Hashable, Structure] = {}
        self._buckets: dict[Hashable, list[Bucket]] = {}
        self._feed: Feed | None = None

    def buckets(self) -> list[Bucket]:
        """Those in use, in a fixed order."""
        return [bucket for buckets in self._buckets.values() for bucket in buckets]

    def advance(self) -> None:
        """The next step begins."""
        if self._feed is not None:
            self._feed.advance()

    def feed(self) -> Feed:
        """Where the batches come from; raises what the user's code raises."""
        if self._feed is None:
            self._feed = feed(self._workload.data(), self._device, self._dtype)
        return self._feed

    def best_width(self) -> int:
        """The most rows from which a structure that is remembered gains; 1 where none can be fused."""
        found = [s.pace.knee for s in self._structures.values() if s.pace.can_fuse]
        return max(found, default=1)

    def find(self, trials: Collection[int]) -> list[tuple[Bucket, Slot]]:
        """Where these trials are, those that are here."""
        if not trials:
            return []
        everyone = ((bucket, slot) for bucket in self.buckets() for slot in bucket.slots.values())
        return sorted(
            ((bucket, slot) for bucket, slot in everyone if slot.trial.index in trials),
            key=lambda found: found[1].trial.index,
        )

    def place(self, arrivals: Iterable[Arrival]) -> Troubles:
        """Give each trial a row; those for which that failed, with the traceback."""
        groups: dict[Hashable, list[Arrival]] = {}
        troubles: Troubles = {}
        for slot, saved in arrivals:
            try:
                full_batch = slot.uses_full_batch(saved["step"] if saved else None)
                key = key_of(self._workload, slot.recipe, full_batch)
                if key not in self._structures:
                    self._structures[key] = self._structure(slot, full_batch=full_batch)
                groups.setdefault(key, []).append((slot, saved))
            except (Exception, SystemExit):  # noqa: BLE001 - the user's code may raise anything; it is this trial's outcome
                troubles[slot] = traceback.format_exc()
        for key, group in groups.items():
            left = deque(group)
            try:
                for bucket in self._rows(key, len(group)):
                    slot, saved = left.popleft()
                    try:
                        bucket.put(slot, saved)
                    except (Exception, SystemExit) as error:  # noqa: BLE001 - a rule may refuse it; it is this trial's outcome
                        troubles[slot] = explained(error)
            except Exception as error:  # noqa: BLE001 - no memory for more rows: the others go on
                troubles.update((slot, explained(error)) for slot, _ in left)
        return troubles

    def tidy(self) -> None:
        """Drop empty buckets, and make those that have long had far more rows than trials smaller."""
        for buckets in self._buckets.values():
            for place, bucket in enumerate(buckets):
                rows = rung(len(bucket.slots))
                enough = bucket.rows // 2 if bucket.rows in bucket.structure.compiled else bucket.rows - 1
                if bucket.slots and bucket.quiet >= SETTLED and rows <= enough:
                    buckets[place] = self._moved(bucket, rows)
            buckets[:] = [bucket for bucket in buckets if bucket.slots]
        self._buckets = {key: buckets for key, buckets in self._buckets.items() if buckets}
        for key in [key for key in self._structures if key not in self._buckets][:-REMEMBERED]:
            self._structures.pop(key).close()

    def halve(self, bucket: Bucket) -> list[Bucket]:
        """Make two buckets of one that needs more memory than there is; no more of its structure get as wide."""
        structure = bucket.structure
        structure.pace.widest = widest = min(structure.pace.widest or bucket.rows, max(1, bucket.rows // 2))
        (buckets,) = [found for found in self._buckets.values() if bucket in found]
        moving = [(slot, bucket.save(slot)) for slot in bucket.slots.values()]
        parts = [moving[first : first + widest] for first in range(0, len(moving), widest)]
        narrower = [self._filled(Bucket(structure, len(p), self._device, self._dtype), p) for p in parts]
        buckets[:] = [other for other in buckets if other is not bucket] + narrower
        return narrower

    def close(self) -> None:
        """Give up compiling what is not ready."""
        for structure in self._structures.values():
            structure.close()

    def _structure(self, slot: Slot, *, full_batch: bool) -> Structure:
        return Structure.of(
            self._workload,
            slot.recipe,
            slot.model,
            self.feed(),
            full_batch=full_batch,
            pace=Pace(self._only),
            compiler=self._compiler,
            autocast=self._autocast,
        )

    def _rows(self, key: Hashable, count: int) -> Iterator[Bucket]:
        """A bucket with a free row for each of ``count`` newcomers, in turn; buckets grow or are made as needed."""
        structure, buckets = self._structures[key], self._buckets.setdefault(key, [])
        while count > 0:
            bucket = next((b for b in buckets if len(b.slots) < b.rows), None)
            if bucket is None:
                bucket = self._more(structure, buckets, count)
            for _ in range(min(count, bucket.rows - len(bucket.slots))):
                yield bucket
                count -= 1

    def _more(self, structure: Structure, buckets: list[Bucket], count: int) -> Bucket:
        """Rows for ``count`` more trials, or for as many as one bucket may have: the last one grown, or a new one."""
        widest = self._widest(structure)
        if buckets and buckets[-1].rows < widest:
            last = buckets[-1]
            buckets[-1] = self._moved(last, min(widest, rung(len(last.slots) + count)))
        else:
            buckets.append(Bucket(structure, min(widest, rung(count)), self._device, self._dtype))
        return buckets[-1]

    def _widest(self, structure: Structure) -> int:
        """How many rows are best; found by measuring when there first are trials of the structure."""
        pace = structure.pace
        if pace.widest is None and pace.can_fuse and self._form is None and self._most > 1:
            tune(structure, self._device, self._dtype, self._most)
        return pace.widest or LADDER[-1]

    def _moved(self, bucket: Bucket, rows: int) -> Bucket:
        moving = [(slot, bucket.save(slot)) for slot in bucket.slots.values()]
        return self._filled(Bucket(bucket.structure, rows, self._device, self._dtype), moving)

    def _filled(self, bucket: Bucket, moving: list[tuple[Slot, Saved]]) -> Bucket:
        for slot, saved in moving:
            bucket.put(slot, saved)
        bucket.quiet = 0
        return bucket


def rung(count: int) -> int:
    """The least size of the ladder that holds ``count``."""
    return next((size for size in LADDER if size >= count), count)
