"""In place of the thread that writes checkpoints: every step has its own, so that a case is the same every time."""

from __future__ import annotations

from concurrent.futures import Future


class AtOnce:
    """Does what it is asked for before one goes on."""

    def __init__(self, *args):
        pass

    def submit(self, work, *args):
        done = Future()
        done.set_result(work(*args))
        return done

    def shutdown(self):
        pass


def write_at_once(monkeypatch):
    """Have every engine with ``every=0`` write after each step; nobody waits for the disk, for no machine dies."""
    monkeypatch.setattr("tuner.training.checkpointer.ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
