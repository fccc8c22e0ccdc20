"""What machine code depends on, and where it is kept between runs. Standard library only."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Where ``kind`` (steps, kernels) is kept: in ``TUNER_CACHE``, else in ``tuner`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("TUNER_CACHE") or f"{base}/tuner").expanduser() / kind


@functools.cache
def processor() -> str:
    """The processor's model and what it can do."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return platform.processor() or platform.machine()
