"""What runs inside a Ray actor: an engine in a thread of its own, fed and drained by short calls."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch

from tuner.execution.kept import starts
from tuner.training import Saved, Setup, warm_up
from tuner.training.lost_device import is_device_lost
from tuner.trial import Event, Finished, Paused, State, TrainingPlan, TrialSpec
from tuner.workloads import Workload

AHEAD = 0.25
"""Trials that wait at a worker for a slot, a share of its slots."""


class Word(NamedTuple):
    """What a worker says when it is asked: ``room`` is how many trials it can have now, those it has included.

    There may be more trials than slots, so that a slot need not wait for the driver when it falls free. ``busy`` is for
    how many seconds it has been making its present step; ``broken`` says why it cannot go on, if it cannot.
    """

    events: list[Event]
    room: int
    warnings: list[str]
    busy: float
    broken: str


class _Ended(Exception):  # noqa: N818 - no error: the engine's thread is to end
    """Nothing more is to be trained."""


class Worker:
    """One engine on one device. The engine never waits for the driver: calls only leave work or collect events."""

    def __init__(self, workload: Workload, plan: TrainingPlan, setup: Setup) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.set_num_threads(1)  # workers, not threads, share the cores
        name = f"{socket.gethostname()}/{os.getpid()}"
        self._engine = setup.engine(workload, plan, worker=name, device=device)
        self._waiting: deque[tuple[TrialSpec, Saved | None]] = deque()
        self._stopped: set[int] = set()  # of those that wait
        self._training = 0  # trials that the engine has
        self._room = self._engine.free()
        self._commands: list[Callable[[], None]] = []
        self._events: list[Event] = []
        self._states: dict[int, Saved] = {}  # of paused trials, until they are taken
        self._error: BaseException | None = None
        self._broken = ""
        self._began: float | None = None  # when the present step did, by the clock that never goes back
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._train, name="engine", daemon=True)
        self._thread.start()

    def submit(self, trials: Sequence[TrialSpec], states: Mapping[int, Saved]) -> None:
        """Leave trials, and states that some of them go on from, to start as soon as there are slots for them.

        A state that is not given is looked for among the checkpoints.
        """
        starting, lost = starts(
            trials, lambda trial: states.get(trial.index) or self._engine.recall(trial), time.time()
        )
        self._tell(lost)
        self._leave([partial(self._waiting.extend, starting)])

    def stop(self, trial: int) -> None:
        """Have a running trial pruned before its next step."""
        self._leave([partial(self._stop, trial)])

    def take(self, trial: int) -> Saved:
        """Hand over the state of a trial that has paused."""
        return self._states.pop(trial)

    def drain(self, timeout: float) -> Word:
        """What happened since the last call; waits up to ``timeout`` seconds for the first event."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._error or self._broken, timeout)
            if self._error is not None:
                raise self._error
            events, self._events = self._events, []
            began = self._began
            busy = 0.0 if began is None else time.monotonic() - began
            return Word(events, self._room, self._engine.warnings(), busy, self._broken)

    def close(self) -> None:
        """End what the engine does beside training, and the training after the present step."""
        self._leave([self._end])
        self._thread.join()

    def _leave(self, commands: Sequence[Callable[[], None]]) -> None:
        with self._changed:
            self._commands.extend(commands)
            self._changed.notify_all()

    def _tell(self, events: Sequence[Event]) -> None:
        with self._changed:
            self._events.extend(events)
            self._changed.notify_all()

    def _fill(self) -> None:
        """Start waiting trials where there is room."""
        while self._waiting and self._engine.free():
            trial, saved = self._waiting.popleft()
            self._engine.admit(trial, saved)
            self._training += 1
            if trial.index in self._stopped:
                self._stop(trial.index)
        self._stopped &= {trial.index for trial, _ in self._waiting}

    def _stop(self, trial: int) -> None:
        if any(waiting.index == trial for waiting, _ in self._waiting):
            self._stopped.add(trial)
        self._engine.stop(trial)

    def _train(self) -> None:
        try:
            warm_up()  # while the first trials are on their way
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._commands or self._waiting or not self._engine.is_idle())
                    commands, self._commands = self._commands, []
                for command in commands:
                    command()
                self._began = time.monotonic()
                self._fill()
                events = self._engine.step()
                self._began = None
                self._check_device(events)
                for event in events:
                    self._training -= isinstance(event, Finished | Paused)
                    if isinstance(event, Paused):
                        self._states[event.trial] = self._engine.take(event.trial)
                more = self._engine.free() + int(AHEAD * self._engine.slots) - len(self._waiting)
                self._room = self._training + len(self._waiting) + max(0, more)
                if events:
                    self._tell(events)
        except _Ended:
            self._engine.close()
        except BaseException as error:  # noqa: BLE001 - a bug in the engine must reach the driver, not die in a thread
            text = str(error)
            with self._changed:
                if is_device_lost(text):
                    self._broken = text.strip().splitlines()[0]
                else:
                    self._error = error
                self._changed.notify_all()

    def _check_device(self, events: Sequence[Event]) -> None:
        """Raise RuntimeError where a trial failed because the device is lost, for that is none of its doing alone."""
        for event in events:
            if isinstance(event, Finished) and event.outcome is State.FAILED and is_device_lost(event.note):
                raise RuntimeError(next(line for line in event.note.splitlines()[::-1] if "CUDA" in line))

    def _end(self) -> None:
        raise _Ended
