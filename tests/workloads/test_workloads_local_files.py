"""The published image formats: what is written is read, and whatever is wrong with a file is told with its name."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from workload_image_files import cifar_bytes, idx_bytes, images_and_labels, write_cifar10, write_mnist

from tuner.errors import WorkloadError
from tuner.workloads import load
from tuner.workloads.local_files import read_cifar10, read_idx, read_npz

small_arrays = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=3, max_side=4))
# A file is rewritten by every example, so one folder does for all of them.
one_folder = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(array=small_arrays, zipped=st.booleans())
@one_folder
def test_idx_is_read_as_written(tmp_path: Path, array: np.ndarray, zipped: bool):
    content = idx_bytes(array)
    path = tmp_path / ("zipped" if zipped else "plain")
    file = path.with_name("zipped.gz") if zipped else path
    file.write_bytes(gzip.compress(content) if zipped else content)
    assert torch.equal(read_idx(path, array.ndim), torch.from_numpy(array))


@given(array=small_arrays, data=st.data())
@one_folder
def test_an_idx_file_of_any_other_length_is_refused(tmp_path: Path, array: np.ndarray, data: st.DataObject):
    content = idx_bytes(array)
    length = data.draw(st.integers(0, len(content) + 3).filter(lambda length: length != len(content)))
    path = tmp_path / "cut"
    path.write_bytes(content.ljust(length, b"\0")[:length])
    with pytest.raises(WorkloadError, match=re.escape(str(path))):
        read_idx(path, array.ndim)


@given(content=st.binary(max_size=40))
@one_folder
def test_garbage_is_refused(tmp_path: Path, content: bytes):
    for path, read in (
        (tmp_path / "garbage", lambda path: read_idx(path, 3)),
        (tmp_path / "garbage.npz", lambda path: read_npz(path, "x_train")),
        (tmp_path / "garbage.bin", read_cifar10),
    ):
        path.write_bytes(content)
        with pytest.raises(WorkloadError, match=re.escape(str(path))):
            read(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"expected IDX header 00000803, got an empty file"),
        (idx_bytes(np.zeros(3)), r"expected IDX header 00000803, got 00000801"),
        (b"\x00\x00\x0d\x03" + bytes(12), r"expected IDX header 00000803, got 00000d03"),
        (idx_bytes(np.zeros((2, 2, 2)))[:-1], r"expected 8 bytes for its shape \[2, 2, 2\], got 7"),
    ],
)
def test_what_is_wrong_with_an_idx_file(content: bytes, expected: str, tmp_path: Path):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(WorkloadError, match=expected):
        read_idx(path, 3)


def test_a_cut_gzip_file(tmp_path: Path):
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx_bytes(np.zeros((2, 3, 3))))[:-5])
    with pytest.raises(WorkloadError, match=r"images.gz: expected a whole gzip file"):
        read_idx(tmp_path / "images", 3)


def test_npz_is_read_as_written(tmp_path: Path):
    images, labels = images_and_labels(20, 28, 28)
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=labels)
    read_images, read_labels = read_npz(tmp_path / "mnist.npz", "x_train", "y_train")
    assert torch.equal(read_images, torch.from_numpy(images))
    assert torch.equal(read_labels, torch.from_numpy(labels))


class Unpickled:
    """Raises where it is unpickled."""

    def __reduce__(self):
        return exec, ("raise AssertionError('it was unpickled')",)


def test_an_npz_file_is_never_unpickled(tmp_path: Path):
    np.savez(tmp_path / "mnist.npz", x_train=np.array([Unpickled()], dtype=object))
    with pytest.raises(WorkloadError, match=r"expected a NumPy archive of the arrays x_train.*allow_pickle=False"):
        read_npz(tmp_path / "mnist.npz", "x_train")


def test_an_npz_file_without_the_array(tmp_path: Path):
    np.savez(tmp_path / "mnist.npz", x=np.zeros(3))
    with pytest.raises(WorkloadError, match=r"mnist.npz: expected a NumPy archive of the arrays x_train"):
        read_npz(tmp_path / "mnist.npz", "x_train")


def test_a_cut_npz_file(tmp_path: Path):
    np.savez_compressed(tmp_path / "mnist.npz", x_train=np.arange(1000))
    content = (tmp_path / "mnist.npz").read_bytes()
    for length in range(0, len(content), 40):
        (tmp_path / "mnist.npz").write_bytes(content[:length])
        with pytest.raises(WorkloadError, match=r"mnist.npz"):
            read_npz(tmp_path / "mnist.npz", "x_train")


def test_cifar10_is_read_as_written(tmp_path: Path):
    images, labels = images_and_labels(20, 3, 32, 32)
    (tmp_path / "batch.bin").write_bytes(cifar_bytes(images, labels))
    read_images, read_labels = read_cifar10(tmp_path / "batch.bin")
    assert torch.equal(read_images, torch.from_numpy(images))
    assert torch.equal(read_labels, torch.from_numpy(labels))


def test_a_cut_cifar10_file(tmp_path: Path):
    (tmp_path / "batch.bin").write_bytes(cifar_bytes(*images_and_labels(2, 3, 32, 32))[:-1])
    with pytest.raises(WorkloadError, match=r"batch.bin: expected a multiple of 3073 bytes, got 6145"):
        read_cifar10(tmp_path / "batch.bin")


# ---------------------------------------------------------------- the workloads that read them


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNER_DATA", str(tmp_path))
    write_mnist(tmp_path / "mnist")
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    return tmp_path


def test_mnist_is_the_same_from_either_format(data: Path, monkeypatch: pytest.MonkeyPatch):
    from_idx = load("mnist").data()
    images, labels = images_and_labels(180, 28, 28)
    (data / "other" / "mnist").mkdir(parents=True)
    np.savez(data / "other" / "mnist" / "mnist.npz", x_train=images, y_train=labels)
    monkeypatch.setenv("TUNER_DATA", str(data / "other"))
    from_npz = load("mnist").data()
    assert from_npz is not from_idx
    assert torch.equal(from_npz.train[0], from_idx.train[0])
    assert torch.equal(from_npz.valid[1], from_idx.valid[1])


def test_cifar10_has_every_batch(data: Path):
    split = load("cifar10").data()
    assert split.train[0].shape == (180, 3, 32, 32)
    assert split.valid[1].bincount().tolist() == [2] * 10


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "mnist/train-images-idx3-ubyte"),
        ("mnist", "mnist/train-labels-idx1-ubyte"),
        ("cifar10", "cifar-10-batches-bin/data_batch_4.bin"),
    ],
)
def test_a_missing_file_is_named_with_the_remedy(name: str, file: str, data: Path):
    (data / file).unlink()
    with pytest.raises(WorkloadError, match=rf"{re.escape(str(data / file))}: not found; put .* TUNER_DATA"):
        load(name).data()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.zeros(179), r"expected one label for each of 180 images, got labels of shape \[179\]"),
        (np.full(180, 10), r"expected labels in 0..9, got 10..10"),
    ],
)
def test_labels_that_do_not_fit_their_images(labels: np.ndarray, expected: str, data: Path):
    (data / "mnist" / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    with pytest.raises(WorkloadError, match=rf"train-labels-idx1-ubyte: {expected}"):
        load("mnist").data()


def test_without_tuner_data_the_folder_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TUNER_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    write_mnist(tmp_path / "data" / "mnist")
    assert len(load("mnist").data().train[0]) == 150
