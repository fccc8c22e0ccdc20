"""What a user's own code raised, told in one line that points into the user's own file."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from tuner.errors import TunerError, WorkloadError


@contextmanager
def user_code(what: str, files: Collection[str]) -> Iterator[None]:
    """Turn anything raised inside into a WorkloadError: ``what: file.py:12: ValueError: its text``.

    ``files`` are the user's own; the innermost frame in one of them is the place that is told, and none
    is where none of them was running. tuner's own errors pass.
    """
    try:
        yield
    except TunerError:
        raise
    except (Exception, SystemExit) as error:
        raise WorkloadError(f"{what}: {_describe(error, files)}") from error


def _describe(error: BaseException, files: Collection[str]) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return f"{place}{type(error).__name__}: {error}"
