"""A recurring sweep's spec with the day it runs on put in: names in double braces, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tuner.errors import UnknownNameError

_PLACE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


def filled(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with every ``{{ name }}`` replaced by that variable. Raises UnknownNameError for any other name."""

    def value(place: re.Match[str]) -> str:
        if place[1] not in variables:
            raise UnknownNameError("template variable", place[1], variables)
        return variables[place[1]]

    return _PLACE.sub(value, text)
