"""Telling a device that is lost from everything else that may go wrong: nothing runs on it again in this process."""

from __future__ import annotations

# What CUDA says of errors after which every later call of the process fails too, as torch words them.
_STICKY = (
    "illegal memory access",
    "illegal instruction",
    "misaligned address",
    "unspecified launch failure",
    "launch timed out",
    "device-side assert",
    "uncorrectable ECC error",
    "unknown error",
    "hardware stack error",
    "GPU is lost",
    "fallen off the bus",
)


def is_device_lost(text: str) -> bool:
    """Whether an error of this text, or a traceback with it, leaves the process without its device."""
    return "CUDA" in text and any(words in text for words in _STICKY)
