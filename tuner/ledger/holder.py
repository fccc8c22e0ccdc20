"""Which process holds a lease, and whether it is known to be dead."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ENDED = frozenset("ZXx")  # a zombie runs nothing any more
_OURS: set[str] = set()  # the tokens of this process's holders that are at work


@dataclass(frozen=True, slots=True)
class Holder:
    """A driver in a process: host and process id, for people; and what tells it apart from a later one of that id.

    ``machine`` is this boot of the machine and the space in which process ids are counted (a container has its own);
    ``started`` is the time of the process's start in ticks since that boot. Both are empty where the system tells
    neither (it is no Linux): such a holder is never known to be dead. ``token`` tells the drivers of one process apart.
    """

    host: str
    pid: int
    machine: str
    started: str
    token: str

    @classmethod
    def here(cls) -> Holder:
        """A new driver in this process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Holder:
        """A driver in the process of that id, which runs on this machine now."""
        return cls(socket.gethostname(), pid, _machine(), _process(pid)[1], uuid.uuid4().hex)

    @property
    def place(self) -> str:
        """What the drivers of one machine have in common."""
        return self.machine or self.host

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While the block runs, the driver is not dead; after it, it is, even if its lease could not be given back."""
        _OURS.add(self.token)
        try:
            yield
        finally:
            _OURS.discard(self.token)

    def is_dead(self) -> bool:
        """Whether it ran on this machine, since the last boot, and does so no more. False where that is not known."""
        if not (self.machine and self.started) or self.machine != _machine():
            return False
        state, started = _process(self.pid)
        if self.pid == os.getpid() and started == self.started:
            return self.token not in _OURS
        if not started:  # there is none, or it is another user's and hidden from this one
            return not _exists(self.pid)
        return started != self.started or state in _ENDED

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _process(pid: int) -> tuple[str, str]:
    """The state and the start of a process, by proc_pid_stat(5); both empty where there is none to be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = stat.rpartition(")")[2].split()  # what follows the command's name, which may hold anything
    return fields[0], fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 is not sent: it only asks whether it could be
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
