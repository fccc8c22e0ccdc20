"""Outside trouble in words fit for one line of a terminal."""

from __future__ import annotations

import re


def in_short(error: BaseException) -> str:
    """The first line of an error, at most 200 characters, without passwords.

    A failed connection arrives wrapped three or four times; the system's own words for it are the shortest.
    """
    system = [cause for cause in _chain(error) if isinstance(cause, OSError) and cause.args]
    words = (system[-1].strerror or str(system[-1])) if system else str(error).strip()
    text = without_passwords(words.splitlines()[0] if words else type(error).__name__)
    return text if len(text) <= 200 else text[:197] + "..."


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error and what it was raised from, down to the first cause."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def without_passwords(text: str) -> str:
    """``text`` with ``***`` for the password of every URL in it."""
    return re.sub(r"(://[^/:@\s]*):[^/\s]*@", r"\1:***@", text)
