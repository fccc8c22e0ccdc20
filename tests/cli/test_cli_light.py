"""Looking at what is recorded must not wait for what trains to be imported."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
import sys
from tuner.cli.app import main
for line in ("list", "show small", "show small --trial 0", "best small", "export small -f csv"):
    try:
        main([*line.split(), "--store", sys.argv[1]])
    except SystemExit as ended:
        assert not ended.code, line
heavy = {"torch", "optuna", "ray", "mlflow", "sklearn", "scipy.stats", "matplotlib", "alembic"}
print(sorted(heavy & set(sys.modules)))
"""


def test_commands_that_look_import_nothing_that_trains(store):
    done = subprocess.run([sys.executable, "-c", LOOK, store], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
