"""Image sets in their published file formats, read from a local folder. Nothing is downloaded, nothing is unpickled.

The folder is TUNER_DATA, or ``data`` in the current folder. Every file that is missing or malformed gives a
WorkloadError that names it and says what belongs there.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from zipfile import BadZipFile

import torch
from torch import Tensor

from tuner.errors import WorkloadError

_IDX_BYTES = b"\x00\x00\x08"  # two zero bytes, then the code of the element type: unsigned byte
_CIFAR_RECORD = 1 + 3 * 32 * 32  # one label byte, then the red, green and blue planes


def data_folder() -> Path:
    """Where data sets are looked for."""
    return Path(os.environ.get("TUNER_DATA", "data")).absolute()


def read_idx(path: Path, axes: int) -> Tensor:
    """The unsigned bytes of an IDX file, plain or with ``.gz`` added to its name, as a tensor of ``axes`` axes.

    Format: http://yann.lecun.com/exdb/mnist (two zero bytes, type, number of axes, each length as a big-endian 32-bit
    number, then the elements, last axis fastest).
    """
    path, content = _read_plain_or_gz(path)
    header = 4 + 4 * axes
    if len(content) < header or content[:4] != _IDX_BYTES + bytes([axes]):
        raise _malformed(path, f"IDX header {(_IDX_BYTES + bytes([axes])).hex()}", content[:4].hex() or "an empty file")
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4)]
    if len(content) - header != math.prod(shape):
        raise _malformed(path, f"{math.prod(shape)} bytes for its shape {shape}", f"{len(content) - header}")
    return _tensor(content[header:]).reshape(shape)


def read_npz(path: Path, *names: str) -> tuple[Tensor, ...]:
    """The named arrays of a NumPy archive."""
    import numpy as np  # noqa: PLC0415 - tuner.workloads itself needs torch alone

    if not path.exists():
        raise _missing(path, f"a NumPy archive of the arrays {', '.join(names)}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return tuple(torch.from_numpy(archive[name]) for name in names)
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise _malformed(path, f"a NumPy archive of the arrays {', '.join(names)}", str(error)) from None


def read_cifar10(path: Path) -> tuple[Tensor, Tensor]:
    """Images [N, 3, 32, 32] and labels [N], unsigned bytes, of one file of CIFAR-10's binary version.

    Format: https://www.cs.toronto.edu/~kriz/cifar.html (records of 3,073 bytes: the label, then the three planes).
    """
    content = _read(path)
    if not content or len(content) % _CIFAR_RECORD:
        raise _malformed(path, f"a multiple of {_CIFAR_RECORD} bytes", f"{len(content)}")
    records = _tensor(content).reshape(-1, _CIFAR_RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def check_labels(path: Path, images: Tensor, labels: Tensor, classes: int = 10) -> None:
    """Raise WorkloadError unless ``labels`` [N] of ``path`` are whole numbers below ``classes``, one for each image."""
    if labels.shape != images.shape[:1]:
        raise _malformed(path, f"one label for each of {len(images)} images", f"labels of shape {list(labels.shape)}")
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= classes:
        raise _malformed(path, f"labels in 0..{classes - 1}", f"{labels.min().item()}..{labels.max().item()}")


def _read_plain_or_gz(path: Path) -> tuple[Path, bytes]:
    zipped = path.with_name(path.name + ".gz")
    if path.exists() or not zipped.exists():
        return path, _read(path)
    try:
        return zipped, gzip.decompress(_read(zipped))
    except (OSError, EOFError, zlib.error) as error:
        raise _malformed(zipped, "a whole gzip file", str(error)) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _missing(path, "the published file") from None
    except OSError as error:
        raise _malformed(path, "a readable file", str(error.strerror)) from None


def _tensor(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _missing(path: Path, what: str) -> WorkloadError:
    return WorkloadError(f"{path}: not found; put {what} there, or set TUNER_DATA to the folder that has it")


def _malformed(path: Path, expected: str, got: str) -> WorkloadError:
    return WorkloadError(f"{path}: expected {expected}, got {got}; put the published file there again")
