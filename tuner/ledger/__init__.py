"""The ledger: the single record of truth, in SQL. Everything else is a view of it."""

from tuner.ledger.acceptances import Acceptance
from tuner.ledger.catalog import NewSweep
from tuner.ledger.firings import Firing
from tuner.ledger.jobs import LOCAL, Job, JobState
from tuner.ledger.ledger import SqlLedger, open_ledger
from tuner.ledger.queue import SqlQueue
from tuner.ledger.recurring import Overlap, Recurring, SqlRecurring
from tuner.ledger.summary import Status, SweepState, SweepSummary

__all__ = [
    "LOCAL",
    "Acceptance",
    "Firing",
    "Job",
    "JobState",
    "NewSweep",
    "Overlap",
    "Recurring",
    "SqlLedger",
    "SqlQueue",
    "SqlRecurring",
    "Status",
    "SweepState",
    "SweepSummary",
    "open_ledger",
]
