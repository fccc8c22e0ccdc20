"""Search optimizers, their hyperparameters and learning-rate schedules: whole populations of trials, one ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.client import Client

__all__ = ["Client"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``Client``, imported when it is first used: the core alone needs nothing of it."""
    if name == "Client":
        from tuner.client import Client  # noqa: PLC0415

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
