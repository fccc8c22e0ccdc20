"""``python -m tuner``."""

from __future__ import annotations

from tuner.cli.app import main

main()
