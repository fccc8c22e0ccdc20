"""Views outside the ledger: MLflow and the terminal. They never block, never raise, and never fail a trial."""

from tuner.tracking.aside import aside
from tuner.tracking.console import ConsoleSink
from tuner.tracking.courier import Courier
from tuner.tracking.ending import SweepEnd
from tuner.tracking.fanout import SinkSet
from tuner.tracking.mlflow import mlflow_place, probe
from tuner.tracking.mlflow_uri import address, check_uri
from tuner.tracking.place import Outgoing, Place, View, deliver

__all__ = [
    "ConsoleSink",
    "Courier",
    "Outgoing",
    "Place",
    "SinkSet",
    "SweepEnd",
    "View",
    "address",
    "aside",
    "check_uri",
    "deliver",
    "mlflow_place",
    "probe",
]
