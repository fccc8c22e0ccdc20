"""Web addresses that people give, read as they will be read when something is sent there."""

from __future__ import annotations

import httpx2


def read(url: str) -> httpx2.URL | None:
    """The parts of an address. None where its port, its host or a character of it is impossible."""
    try:
        address = httpx2.URL(url)
        address.raw_host.decode("ascii").encode("idna")  # as it is when the host is looked up
        is_possible = address.port is None or 0 < address.port < 65_536
    except (httpx2.InvalidURL, ValueError):
        return None
    return address if is_possible else None
