"""What the service allows, fixed when it starts."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field

from tuner import workloads
from tuner.cluster.webhook import Webhook
from tuner.errors import UnknownNameError
from tuner.ledger import LOCAL
from tuner.tracking.mlflow_link import MlflowPages

MAX_BODY = 256 * 1024  # bytes of a request; a spec has some 2,000
STREAMS = 200  # clients that may listen to events at a time
STREAMS_EACH = 20  # of them with the same token
AGE = 0.5  # seconds by which what is told of a running sweep may be late
THREADS = 12  # requests that may be at the database at a time; as many connections are kept open at most
AT_HOME = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``workloads`` are those that a spec may name, ``targets`` where a sweep may run, ``hosts`` the names that the
    service answers to. ``is_private`` says that it listens on this machine only: then, until there is a token, whoever
    asks is taken for its administrator. ``mlflow`` is where people look at sweeps in MLflow, if there is a server;
    ``webhook`` knows the hosts that may be told of recurring sweeps.
    """

    workloads: frozenset[str]
    targets: frozenset[str] = frozenset({LOCAL})
    hosts: tuple[str, ...] = AT_HOME
    is_private: bool = True
    mlflow: MlflowPages | None = None
    webhook: Webhook = field(default_factory=Webhook.of_environment)


def allowed_workloads(names: str | None) -> frozenset[str]:
    """The workloads of a list with commas; every registered one for None. Raises UnknownNameError."""
    known = workloads.names()
    chosen = known if names is None else [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen:
        if name not in known:
            raise UnknownNameError("workload", name, known)
    return frozenset(chosen)


def is_loopback(host: str) -> bool:
    """Whether nobody beyond this machine can reach what listens on ``host``."""
    try:
        addresses = {found[4][0] for found in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(addresses) and all(ipaddress.ip_address(address).is_loopback for address in addresses)
