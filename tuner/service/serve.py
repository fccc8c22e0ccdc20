"""Listening: the application on a socket, the queue's runner beside it, until somebody asks it to end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import FrameType

import uvicorn
from fastapi import FastAPI

from tuner.cluster import Work
from tuner.errors import TunerError

CONNECTIONS = 1_000  # more than that are told to come back
GRACE = 10  # seconds that requests have to end
BACKLOG = 512


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises TunerError where it cannot."""
    try:
        return socket.create_server((host, port), family=_family(host), backlog=BACKLOG)
    except OSError as error:
        raise TunerError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; give another --host or --port"
        ) from error


def serve(app: FastAPI, listening: socket.socket, work: Work | None) -> None:
    """Answer requests until SIGINT or SIGTERM, and work off the queue. Sweeps that run go on afterwards.

    Raises TunerError where a thread of ``work`` ended by a fault of the program.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
        # Whose word about a client's address is taken: nobody's, unless the surroundings say whose.
        proxy_headers=bool(proxies := os.environ.get("FORWARDED_ALLOW_IPS")),
        forwarded_allow_ips=proxies or "",
    )
    working: AbstractContextManager[object] = nullcontext() if work is None else work
    with working:
        server = _Server(config, app.state.service.stopping.set, (lambda: True) if work is None else work.is_alive)
        server.run(sockets=[listening])
    if server.is_broken:
        raise TunerError("tuner serve: the queue's runner ended by a fault of its own, shown above")


class _Server(uvicorn.Server):
    """Ends streams when it is asked to end, and ends when nobody works off the queue any more."""

    def __init__(self, config: uvicorn.Config, stop_streams: Callable[[], None], is_sound: Callable[[], bool]) -> None:
        super().__init__(config)
        self._stop_streams, self._is_sound = stop_streams, is_sound
        self.is_broken = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn."""
        self._stop_streams()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn."""
        self.is_broken = not self._is_sound()
        return await super().on_tick(counter) or self.is_broken


def address_of(listening: socket.socket) -> str:
    """Where a service that listens there is asked on this machine."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
