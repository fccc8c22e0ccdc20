"""The service: sweeps over HTTP, for people with tokens and for the pages that they look at."""

from tuner.service.app import create_app
from tuner.service.settings import Settings, allowed_workloads, is_loopback

__all__ = ["Settings", "allowed_workloads", "create_app", "is_loopback"]
