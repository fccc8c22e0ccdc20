"""Sweeps as processes on this machine, which go on when their runner ends and are found again by the next one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuner.cluster.backend import REFUSED, Condition, Setting, holder_of, last_words
from tuner.ledger import Job
from tuner.ledger.holder import Holder

# The process waits for a line before it becomes the sweep's driver, and ends if none comes: so none ever runs that is
# not on record, however soon its runner dies. It keeps its id and its start when it becomes the driver.
_WAIT = 'read -r go && exec "$@" </dev/null'
PROGRAM = (sys.executable, "-m", "tuner")


class Processes:
    """Starts ``tuner resume`` in sessions of their own, with a log beside the sweep's report."""

    def __init__(self, setting: Setting, here: Holder, program: Sequence[str] = PROGRAM) -> None:
        self._setting, self._here, self._program = setting, here, program

    def begin(self, job: Job, record: Callable[[Mapping[str, Any]], None]) -> None:
        """Start a job's process, once ``record`` has put on record which one it is."""
        log = self._log(job)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [*self._program, "resume", job.sweep, "--output", str(self._setting.output), "--quiet"]
        listening, speaking = os.pipe()
        with os.fdopen(listening), os.fdopen(speaking, "wb", buffering=0) as line:
            pid = os.posix_spawn(
                "/bin/sh",
                ["/bin/sh", "-c", _WAIT, "tuner", *command],
                {**os.environ, **self._setting.environment()},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, listening, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
            try:
                record({"kind": "process", **asdict(Holder.of(pid))})
            except BaseException:
                line.close()
                os.waitpid(pid, 0)  # it ends, as no line comes
                raise
            with suppress(BrokenPipeError):  # it was killed already, which the next look at it finds
                line.write(b"go\n")

    def condition(self, runner: Mapping[str, Any]) -> Condition:
        """Whether the process lives, and with which exit code it ended, if it was this runner's."""
        holder = holder_of(runner)
        if holder.place != self._here.place:
            return "unseen"
        is_dead = holder.is_dead()
        try:
            ended, status = os.waitpid(holder.pid, os.WNOHANG)
        except ChildProcessError:  # an earlier runner's, whom the system may not know by its start
            return "gone" if is_dead else "alive" if holder.started else "unseen"
        if not ended:
            return "gone" if is_dead else "alive"
        return "refused" if os.waitstatus_to_exitcode(status) == REFUSED else "gone"

    def stop(self, runner: Mapping[str, Any], *, hard: bool) -> None:
        """Ask the process to end, or end it with all that it started."""
        with suppress(ProcessLookupError):
            if hard:
                os.killpg(holder_of(runner).pid, signal.SIGKILL)
            else:
                os.kill(holder_of(runner).pid, signal.SIGTERM)

    def words(self, job: Job) -> str:
        """The last lines of the process's log."""
        try:
            with self._log(job).open("rb") as log:
                log.seek(max(0, self._log(job).stat().st_size - 8_000))
                return last_words(log.read().decode("utf-8", "replace"))
        except OSError as error:
            return f"no log: {error.strerror}"

    def _log(self, job: Job) -> Path:
        return self._setting.output / job.sweep / "driver.log"
