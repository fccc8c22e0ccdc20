"""Reaching a Ray cluster: the one at ``RAY_ADDRESS``, else a local one that ends with the sweep."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass

import ray

from tuner.errors import ExecutorError

# Workers keep their data themselves; the object store only carries small messages.
OBJECT_STORE_BYTES = 256 * 2**20
CONNECT_SECONDS = 10.0


def usable_cpus() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection to Ray. ``close`` shuts down only what ``connect`` started."""

    owned: bool
    cpus: float
    gpus: float

    def close(self) -> None:
        """Disconnect, and end the local cluster if this connection started it."""
        if self.owned and ray.is_initialized():
            ray.shutdown()


def connect(address: str | None = None) -> Cluster:
    """Join the cluster at ``address`` or ``RAY_ADDRESS``, or the one this process is in; else start a local one.

    Raises ExecutorError where the address does not answer.
    """
    owned = not ray.is_initialized()
    if owned:
        address = address or os.environ.get("RAY_ADDRESS")
        local = {"num_cpus": usable_cpus(), "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
        try:
            if address:
                _knock(address)
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({} if address else local),
            )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"the Ray cluster at {address}" if address else "a local Ray cluster"
            raise ExecutorError(
                f"executor.ray: cannot reach {where}: {_first_line(error)}; check RAY_ADDRESS and that the cluster is "
                "up (a cluster with token authentication wants RAY_AUTH_MODE=token and its token), or use "
                "`executor: inline`"
            ) from error
    resources = ray.cluster_resources()
    return Cluster(owned=owned, cpus=resources.get("CPU", 0.0), gpus=resources.get("GPU", 0.0))


def _knock(address: str) -> None:
    """Raise OSError at once where nobody listens at ``host:port``; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
