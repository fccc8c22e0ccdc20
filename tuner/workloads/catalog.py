"""Every workload that has a name."""

from __future__ import annotations

from tuner.registry import Registry
from tuner.workloads.base import Workload

WORKLOADS: Registry[type[Workload]] = Registry("workload")
