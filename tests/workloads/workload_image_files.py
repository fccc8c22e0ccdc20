"""Tiny image sets in the published formats, written as their own documents say."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def idx_bytes(array: np.ndarray) -> bytes:
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.astype(np.uint8).tobytes()


def cifar_bytes(images: np.ndarray, labels: np.ndarray) -> bytes:
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


def images_and_labels(examples: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct images that are brighter the higher their label is, and every label equally often."""
    labels = np.arange(examples) % 10
    noise = np.random.default_rng(0).integers(0, 50, (examples, *shape))
    return (noise + 20 * labels.reshape(-1, *[1] * len(shape))).astype(np.uint8), labels.astype(np.uint8)


def write_mnist(folder: Path, examples: int = 180) -> None:
    folder.mkdir(parents=True)
    images, labels = images_and_labels(examples, 28, 28)
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))


def write_cifar10(folder: Path, examples: int = 40) -> None:
    folder.mkdir(parents=True)
    images, labels = images_and_labels(5 * examples, 3, 32, 32)
    for batch in range(5):
        part = slice(batch * examples, (batch + 1) * examples)
        (folder / f"data_batch_{batch + 1}.bin").write_bytes(cifar_bytes(images[part], labels[part]))
