"""Views outside the ledger: MLflow and the terminal. They never block, never raise, and never fail a trial."""

from tuner.tracking.console import ConsoleSink
from tuner.tracking.ending import SweepEnd
from tuner.tracking.fanout import SinkSet
from tuner.tracking.mlflow import MlflowSink, probe, sync
from tuner.tracking.mlflow_uri import check_uri

__all__ = ["ConsoleSink", "MlflowSink", "SinkSet", "SweepEnd", "check_uri", "probe", "sync"]
