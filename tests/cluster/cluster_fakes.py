"""A clock that is moved by hand, and recurring sweeps with as little said as possible."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.ledger import NewSweep, Recurring
from tuner.trial import Objective


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float

    def __call__(self) -> float:
        return self.now


class KilledError(BaseException):
    """The process is no more."""


class Deadly:
    """A part of the ledger as a process has it that is killed before or after its n-th call of it."""

    def __init__(self, part, n, when):
        self.part, self.left, self.when = part, n, when

    def __getattr__(self, name):
        def call(*arguments, **options):
            self.left -= 1
            if not self.left and self.when == "before":
                raise KilledError
            done = getattr(self.part, name)(*arguments, **options)
            if not self.left:
                raise KilledError
            return done

        return call


def drafted(recurring, due_at, run):
    """A sweep that nothing has to be loaded for."""
    return NewSweep(
        name=recurring.name,
        spec={"workload": "digits", "due": due_at, "run": run},
        spec_text="",
        environment={},
        objectives=[Objective(metric="loss", direction="minimize")],
        seed=0,
        repeats=1,
    )


def recurring(name="nightly", **facts):
    given = {
        "cron": "* * * * *",
        "zone": "UTC",
        "spec_text": "",
        "source": "sweep.yaml",
        "folder": None,
        "owner": "ada",
        "priority": 0,
        "target": "local",
        "overlap": "queue",
        "catch_up": 3600.0,
        "webhook": None,
        "is_paused": False,
        "created_at": 0.0,
        "decided_until": 0.0,
    }
    return Recurring(name=name, **given | facts)
