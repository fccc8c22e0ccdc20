"""The history of the ledger's schema, run by Alembic. ``HEAD`` is the newest revision this program knows."""

HEAD = "0006"
VERSION_TABLE = "tuner_schema"  # its own, so that MLflow or Optuna may keep theirs in the same database
