"""docker-compose.yml without Docker: each service's own command, environment and health check, as local processes.

What is different here, and nothing else:

- hosts and 0.0.0.0 are 127.0.0.1, Ray's nodes 127.0.0.2 and 127.0.0.3; ``PORTS`` are free ones;
- ``/run/secrets`` is a folder that ``deploy/make-secrets`` has filled; volumes and ``/home/tuner`` are folders of the
  test; a file that is mounted from the repository is a copy of it, with the same words replaced;
- the entrypoint is the Dockerfile's, and for PostgreSQL ``Volume.fill``;
- commands get the options ``BESIDE`` as well: two Ray nodes share this machine and its memory.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Any

import psutil
import yaml
from e2e_postgres import Volume

ROOT = Path(__file__).parents[2]
PORTS = (5432, 5000, 6379, 8265, 8765, 52365)
_ANY = "--ray-client-server-port={} --dashboard-agent-listen-port={}"
BESIDE = {
    "postgres": "-D {data} -c port=5432 -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off",
    "mlflow": "--workers=1",
    "ray-head": f"--node-ip-address=127.0.0.2 --temp-dir={{ray}} --object-store-memory=80000000 {_ANY}",
    "ray-worker": "--node-ip-address=127.0.0.3 --num-cpus=1 --object-store-memory=80000000"
    " --dashboard-agent-listen-port=52365",
}
PATIENCE = 240.0  # seconds for everything to be healthy
BETWEEN = 1.0  # seconds between two looks
GRACE = 15.0  # seconds to end


class Stack:
    """The services of the compose file, below ``folder``: a short path, since Ray keeps sockets there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        for place in ("ray", "tmp", "var/tuner", "var/mlflow", "home/tuner/.mlflow"):
            (folder / place).mkdir(parents=True)
        self.volume = Volume(folder / "postgres")
        self.secrets = folder / "secrets"
        subprocess.run([ROOT / "deploy" / "make-secrets", self.secrets], check=True, stdout=subprocess.DEVNULL)
        (folder / "home/tuner/.mlflow/credentials").symlink_to(self.secrets / "mlflow_client")
        self._mounts = {there: self._copied(file) for there, file in self._mounted()}
        found = re.findall(r"^ENTRYPOINT (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        self._entrypoint = json.loads(found[-1])
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    # ------------------------------------------------------------ what Docker does

    def up(self, *names: str) -> None:
        """Start services as soon as those they depend on are healthy; return when all are."""
        waiting, starting, deadline = list(names), [], time.monotonic() + PATIENCE
        while waiting or starting:
            for name in [name for name in waiting if self._may_start(name, {*waiting, *starting})]:
                self.start(name)
                waiting.remove(name)
                starting.append(name)
            starting = [name for name in starting if not self.is_healthy(name)]
            assert time.monotonic() < deadline, "\n".join(f"{name}: {self.words(name)}" for name in starting)
            time.sleep(BETWEEN)

    def start(self, name: str) -> None:
        """Start a service."""
        if name == "postgres":
            self.volume.fill(self.environment(name), self._mounts["/docker-entrypoint-initdb.d/databases.sql"])
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self.command(name),
                env=self.environment(name),
                cwd=self.here(self.services[name].get("working_dir", "/var/lib")),
                user=self.volume.user if name == "postgres" else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, name: str, *command: str) -> str:
        """What a command prints in a container of a service."""
        where = {"env": self.environment(name), "cwd": self.folder}
        done = subprocess.run([*self._entrypoint, *command], **where, check=False, capture_output=True, timeout=90)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def kill(self, name: str) -> None:
        """SIGKILL a service's process, and nothing that it started."""
        self._processes[name].kill()
        self._processes[name].wait()

    def is_healthy(self, name: str) -> bool:
        """Whether a service's own health check says so. Raises AssertionError where the service has ended."""
        code = self._processes[name].poll()
        assert code is None, f"{name} ended with {code}: {self.words(name)}"
        kind, *test = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        environment = self.environment(name) | {"PGPORT": str(self.ports[5432])}
        test = [self.here(word) for word in test]
        return subprocess.run(test, env=environment, check=False, capture_output=True, timeout=30).returncode == 0

    def words(self, name: str) -> str:
        """The end of what a service wrote."""
        return self._log(name).read_text(errors="replace")[-3000:]

    def close(self) -> None:
        """End every service and whatever it started, by their process ids."""
        database = self._processes.pop("postgres", None)
        everyone = [one for process in self._processes.values() for one in _family(process.pid)]
        for one in everyone:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        for process in self._processes.values():
            process.wait()
        psutil.wait_procs(everyone, timeout=GRACE)
        if database is not None:
            database.send_signal(signal.SIGINT)
            database.wait(GRACE)

    # ------------------------------------------------------------ what is different here

    def here(self, text: str) -> str:
        """Words of the compose file, or of a file that it mounts, as they have to be here."""
        folders = {"/run/secrets": self.secrets, "/var/lib": self.folder / "var", "/home": self.folder / "home"}
        for there, place in {**folders, **getattr(self, "_mounts", {})}.items():
            text = text.replace(there, str(place))
        text = text.replace("@postgres/", "@postgres:5432/").replace("ray-head:6379", "127.0.0.2:6379")
        text = re.sub(
            r"\b(postgres|mlflow|ray-head|localhost)(?=:\d)", "127.0.0.1", text.replace("=0.0.0.0", "=127.0.0.1")
        )
        return re.sub(r"(?<=[:=])\d{4,5}\b", lambda port: str(self.ports.get(int(port[0]), port[0])), text)

    def command(self, name: str) -> list[str]:
        """How a service is started here."""
        places = {"data": self.volume.data, "ray": self.folder / "ray"}
        beside = BESIDE.get(name, "").format(*free_ports(2), **places).split()
        entrypoint = [] if name == "postgres" else self._entrypoint
        return [*entrypoint, *(self.here(word) for word in [*self.services[name]["command"], *beside])]

    def environment(self, name: str) -> dict[str, str]:
        """A service's environment here: what the image and the compose file say, and where programs are."""
        programs = (Path(sys.executable).parent, ROOT / "deploy", self.volume.programs, os.environ["PATH"])
        temporary = self.folder / "tmp"
        return {
            "PATH": os.pathsep.join(map(str, programs)),
            "HOME": str(self.folder / "home" / "tuner"),
            "TMPDIR": str(temporary),
            "TUNER_CACHE": str(temporary / "tuner"),
            "MPLCONFIGDIR": str(temporary / "matplotlib"),
            "PYTHONUNBUFFERED": "1",
            **{key: self.here(value) for key, value in self.services[name].get("environment", {}).items()},
        }

    def _mounted(self) -> list[tuple[str, str]]:
        mounts = [mount.split(":") for service in self.services.values() for mount in service.get("volumes", ())]
        return [(mount[1], mount[0]) for mount in mounts if mount[0].startswith("./")]

    def _copied(self, file: str) -> Path:
        copy = self.folder / Path(file).name
        copy.write_text(self.here((ROOT / file).read_text()))
        return copy

    def _may_start(self, name: str, others: set[str]) -> bool:
        return others.isdisjoint(self.services[name].get("depends_on", ()))

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, and that no connection is given by chance until somebody does."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - below those that Linux gives to connections
        with socket() as one, suppress(OSError):
            one.bind(("", port))
            found += {port}.difference(found)
    return found


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []
