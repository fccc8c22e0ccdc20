"""The ledger: the single record of truth, in SQL. Everything else is a view of it."""

from tuner.ledger.ledger import SqlLedger, open_ledger
from tuner.ledger.summary import Status, SweepSummary

__all__ = ["SqlLedger", "Status", "SweepSummary", "open_ledger"]
