"""The runner: takes jobs from the queue while there is room, starts their drivers, and sees to it that each one ends.

It remembers nothing that is not in the ledger: a runner that starts finds what an earlier one began, and goes on from
there. What a job's end means is read off the sweep's own record, which its driver wrote; a driver that ended without a
word is started again, a few times.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from tuner.cluster.backend import Backend, Setting, holder_of
from tuner.cluster.processes import Processes
from tuner.cluster.ray_jobs import RayJobs
from tuner.errors import LeaseError, StoreError, TunerError
from tuner.ledger import LOCAL, Job, JobState, SqlLedger
from tuner.ledger.holder import Holder
from tuner.ledger.jobs import ENDS

MAX_LOSSES = 3  # runs in a row that may end without a word
LASTING = 600.0  # seconds of a run after which its end counts as the first one again
SILENCE = 90.0  # seconds after which a driver that nobody sees, and that holds no lease, is given up
MANY = 10_000  # jobs that run at once, at most
_log = logging.getLogger(__name__)


class Runner:
    """One runner. Several may share a queue, on one machine or on many."""

    def __init__(self, ledger: SqlLedger, setting: Setting, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._setting, self._clock = ledger, setting, clock
        self._here = Holder.here()
        self._backends: dict[str, Backend] = {
            "process": Processes(setting, self._here),
            "ray": RayJobs(setting),
        }
        self._asked: dict[tuple[str, int], float] = {}  # when a run was asked to stop, by the monotonic clock
        self._faults: dict[tuple[str, int], str] = {}  # of this program, at a run, as they were last said

    def turn(self) -> None:
        """Look after every job that runs, then start those that may. Raises StoreError where the ledger fails."""
        queue = self._ledger.queue
        with self._here.at_work():
            for job in queue.jobs(state="running", limit=MANY):
                self._guard(job)
            room = {"limit": self._setting.concurrency, "per_owner": self._setting.per_owner}
            while job_taken := queue.take(self._here, **room, at=self._clock()):
                self._begin(job_taken)

    # ------------------------------------------------------------ starting

    def _begin(self, job: Job) -> None:
        def record(runner: Mapping[str, Any]) -> None:
            self._ledger.queue.started(job, runner, self._clock())

        try:
            self._backends["process" if job.target == LOCAL else "ray"].begin(job, record)
        except LeaseError:  # another runner thought this one dead
            return
        except StoreError:  # what was taken and not started is found by the next turn
            raise
        except (OSError, TunerError) as error:
            self._lost(job, f"it cannot be started: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, other jobs go on
            _log.exception("%s cannot be started", job.sweep)
            self._lost(job, f"it cannot be started: {type(error).__name__}: {error}")

    # ------------------------------------------------------------ looking after

    def _guard(self, job: Job) -> None:
        """Look after a job; where this program fails at that, go on with the others, and give it up once it is silent.

        Raises StoreError.
        """
        try:
            self._look_after(job)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, other jobs go on
            said = f"{type(error).__name__}: {error}"
            if self._faults.get((job.sweep, job.runs)) != said:
                self._faults[job.sweep, job.runs] = said
                _log.exception("%s cannot be looked after", job.sweep)
            if self._is_silent(job):
                self._lost(job, f"it cannot be looked after: {said}")

    def _look_after(self, job: Job) -> None:
        runner = job.runner or {"kind": "starting"}
        if runner["kind"] == "starting":
            self._look_after_start(job, runner)
            return
        backend = self._backends[runner["kind"]]
        condition = backend.condition(runner)
        if condition == "alive":
            self._see_to_wish(job, runner, backend)
        elif condition != "unseen" or self._is_silent(job):
            self._conclude(job, backend, refused=condition == "refused")

    def _look_after_start(self, job: Job, runner: Mapping[str, Any]) -> None:
        """A job that was taken and not started: by this runner in an earlier turn, by one that lives, or by none."""
        taker = holder_of(runner)
        if taker.token == self._here.token or taker.is_dead() or self._is_silent(job):
            self._lost(job, "its runner ended before it was started")

    def _is_silent(self, job: Job) -> bool:
        """Whether no driver holds the sweep's lease, and nothing was heard of one for a while."""
        return not job.is_driven and self._clock() - max(job.started_at or 0.0, job.updated_at) > SILENCE

    def _see_to_wish(self, job: Job, runner: Mapping[str, Any], backend: Backend) -> None:
        """Tell a driver once that it is to stop; make it stop when its time is over."""
        if job.asked is None:
            return
        run, now = (job.sweep, job.runs), time.monotonic()
        if run not in self._asked:
            self._asked[run] = now
            backend.stop(runner, hard=False)
        elif now - self._asked[run] > self._setting.grace:
            backend.stop(runner, hard=True)

    # ------------------------------------------------------------ ending

    def _conclude(self, job: Job, backend: Backend, *, refused: bool) -> None:
        """Record how a run ended: by what is on record now, since its driver's last words count."""
        now = self._ledger.queue.job(job.sweep)
        if now.runs != job.runs or now.state != "running":  # another runner was here first
            return
        if now.status == "done":
            self._ended(now, "done", "")
        elif now.asked is not None:
            self._ended(now, ENDS[now.asked], "")
        elif now.is_driven:
            if (now.runner or {}).get("kind") == "ray":  # its lease may be that of its own dead driver
                return
            self._ended(now, "queued", "somebody else runs it; it waits until that is over")
        elif refused or now.status == "failed":
            self._ended(now, "failed", backend.words(now))
        else:
            self._lost(now, f"its driver ended without a word; the last lines of its log:\n{backend.words(now)}")

    def _lost(self, job: Job, note: str) -> None:
        """A run came to nothing, and nobody said why: it is tried again a few times, or after it went well for long."""
        has_lasted = job.updated_at - (job.started_at or 0.0) > LASTING
        losses = 1 if has_lasted else job.losses + 1
        if losses < MAX_LOSSES:
            self._ended(job, "queued", note, losses=losses)
        else:
            self._ended(job, "failed", f"{MAX_LOSSES} times: {note}", losses=losses)

    def _ended(self, job: Job, state: JobState, note: str, *, losses: int = 0) -> None:
        self._asked.pop((job.sweep, job.runs), None)
        self._faults.pop((job.sweep, job.runs), None)
        self._ledger.queue.ended(job, state, note, self._clock(), losses=losses)
