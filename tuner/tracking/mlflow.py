"""The MLflow sink: events go into an outbox, a thread writes them to MLflow, which is imported only there.

One parent run a sweep, one nested run a trial; ``mlflow_runs`` says what stands in them. Whatever MLflow does (away,
slow, refusing, full), the sweep neither waits nor fails: the ledger has everything, and ``sync`` writes it again.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import TunerError, UsageError
from tuner.tracking.ending import SweepEnd
from tuner.tracking.mlflow_uri import check_opens, check_uri, sqlite_file
from tuner.tracking.outbox import Outbox
from tuner.tracking.wording import in_short, without_passwords
from tuner.trial import Event, Sweep, TrialRecord

if TYPE_CHECKING:
    from tuner.tracking.mlflow_runs import SweepRuns

# MlflowClient takes these from the environment only. The outbox retries, so that MLflow itself need not; the user's own
# settings win.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class MlflowSink:
    """Shows a sweep in MLflow (protocol ``Sink``).

    ``uri`` is an MLflow tracking URI (``sqlite:///mlflow.db``, ``http://host:5000``). ``warn`` gets one line a kind of
    trouble, also from the sink's own thread. ``drain_s`` bounds ``close``; ``linger_s`` is how long events wait for
    company, since one call with twenty points costs little more than one with one.
    """

    def __init__(
        self, uri: str, sweep: Sweep, *, warn: Callable[[str], None], drain_s: float = 30.0, linger_s: float = 1.0
    ) -> None:
        self._uri, self._sweep, self._warn, self._drain_s = uri, sweep, warn, drain_s
        self._runs: SweepRuns | None = None
        self._left_out: Counter[str] = Counter()
        self._reason = ""
        self._warned = self._closed = self._finished = False
        self._outbox: Outbox[Event | SweepEnd] = Outbox(self._deliver, troubled=self._trouble, linger=linger_s)
        try:
            check_uri(uri)
        except UsageError as error:
            warn(f"{error}; this sweep is not shown in MLflow")
            self._outbox.close(0.0)
            self._closed = True

    def write(self, events: Sequence[Event]) -> None:
        """Take recorded events; returns at once."""
        self._outbox.put(events)

    def finish(
        self, best: TrialRecord | None, artifacts: Sequence[Path] = (), summary: Mapping[str, object] | None = None
    ) -> None:
        """The sweep is complete: mark the best trial, keep ``artifacts`` (files) and ``summary`` with the parent run.

        Returns at once; without this call, ``close`` leaves the parent run as KILLED: interrupted, and resumable.
        """
        self._finished = True
        end = SweepEnd(at=time.time(), complete=True, best=best, artifacts=tuple(artifacts), summary=summary or {})
        self._outbox.put([end])

    def close(self) -> None:
        """Deliver what is left, within ``drain_s`` seconds; one warning where something is left after that."""
        if self._closed:
            return
        self._closed = True
        if not self._finished:
            self._outbox.put([SweepEnd(at=time.time(), complete=False)])
        left = self._outbox.close(self._drain_s)
        if left:
            self._left_out[self._reason or f"still busy after {self._drain_s:g} s"] += left
        if self._left_out:
            reasons = "; ".join(self._left_out)
            self._warn(
                f"mlflow: {self._left_out.total()} updates did not reach {without_passwords(self._uri)} ({reasons}); "
                f"the ledger has them all: `tuner sync {self._sweep.id}` writes them again"
            )

    def _deliver(self, updates: Sequence[Event | SweepEnd]) -> None:
        if self._runs is None:
            self._runs = _connect(self._uri, self._sweep)
        try:
            self._left_out += self._runs.apply(updates)
        except Exception:
            self._runs = None  # what MLflow kept of this batch is unknown: look it up again
            raise
        self._reason = ""

    def _trouble(self, error: Exception, tries: int) -> None:
        self._reason = in_short(error)
        # A first stumble is retried quietly: two sweeps that create the same store at once trip over each other.
        if tries == 2 and not self._warned:
            self._warned = True
            self._warn(f"mlflow: {without_passwords(self._uri)}: {self._reason}; retrying, the sweep goes on")


def sync(
    uri: str, sweep: Sweep, events: Iterable[Event], end: SweepEnd | None = None, *, batch: int = 2_000
) -> Counter[str]:
    """Write a sweep's recorded events (in order) and its end to MLflow, in the foreground; safe to repeat.

    Returns how many updates MLflow refused, by reason. Raises UsageError for a URI of an unknown scheme, TunerError
    where MLflow cannot be reached.
    """
    check_uri(uri)
    left_out: Counter[str] = Counter()
    remaining = iter(events)
    try:
        runs = _connect(uri, sweep)
        while some := list(islice(remaining, batch)):
            left_out += runs.apply(some)
        left_out += runs.apply([end or SweepEnd(at=time.time(), complete=False)])
    except TunerError:
        raise  # the ledger's own, from reading ``events``
    except Exception as error:
        raise TunerError(
            f"mlflow: {without_passwords(uri)}: {in_short(error)}; start or correct it, then sync again"
        ) from error
    return left_out


def probe(uri: str) -> str | None:
    """What would keep sweeps out of MLflow at ``uri``, in a line; None where nothing does. Takes seconds at most."""
    try:
        check_uri(uri)
        file = sqlite_file(uri)
        if file and not file.exists():
            return None  # the first sweep makes it
        _prepare(uri)
        from tuner.tracking.mlflow_runs import answers  # noqa: PLC0415 - see _connect

        answers(uri)
    except UsageError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - any failure is the answer
        return f"mlflow: {without_passwords(uri)}: {in_short(error)}"
    return None


def _connect(uri: str, sweep: Sweep) -> SweepRuns:
    _prepare(uri)
    from tuner.tracking.mlflow_runs import SweepRuns  # noqa: PLC0415 - importing MLflow takes seconds: not before now

    return SweepRuns(uri, sweep)


def _prepare(uri: str) -> None:
    """What must be so before MLflow is imported and called."""
    check_opens(uri)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
