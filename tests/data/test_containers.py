"""Images from the files of MNIST and from those of CIFAR."""

import gzip
import os
import pickle
import struct

import numpy as np
import pytest
from helpers import write_archive

from pixelcnn_tf import UserError, load_images
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.paths import path_classes
from pixelcnn_tf.data.sources import load_all_images


def load(source, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}), labels=True)


# IDX files


def idx(array, kind=8):
    return struct.pack(f">HBB{array.ndim}i", 0, kind, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path, rng):
    """The content of the four files of MNIST, by name, with images of 4x4."""
    return {
        "train-images-idx3-ubyte": rng.integers(256, size=(6, 4, 4)).astype(np.uint8),
        "train-labels-idx1-ubyte": (np.arange(6) % 3).astype(np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(256, size=(2, 4, 4)).astype(np.uint8),
        "t10k-labels-idx1-ubyte": np.array([2, 1], np.uint8),
    }


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dots", [False, True])
def test_a_folder_with_the_files_of_mnist(compressed, dots, mnist, tmp_path):
    for name, array in mnist.items():
        name = name.replace("-idx", ".idx") if dots else name
        content = idx(array)
        if compressed:
            name, content = f"{name}.gz", gzip.compress(content)
        (tmp_path / name).write_bytes(content)
    images = load(tmp_path)
    train, train_labels, test, test_labels = mnist.values()
    np.testing.assert_array_equal(images.train[..., 0], train)
    np.testing.assert_array_equal(images.test[..., 0], test)
    np.testing.assert_array_equal(images.train_labels, train_labels)
    np.testing.assert_array_equal(images.test_labels, test_labels)
    np.testing.assert_array_equal(load_all_images(tmp_path, DataConfig()), images.test)
    assert path_classes(DataConfig(source=str(tmp_path))) is None
    write_archive(tmp_path / "all.zip", {p.name: p.read_bytes() for p in tmp_path.iterdir()})
    np.testing.assert_array_equal(load(tmp_path / "all.zip").train, images.train)


def test_one_idx_file(mnist, tmp_path):
    array = mnist["train-images-idx3-ubyte"]
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx(array)))
    images = load(path)
    assert (len(images.train), len(images.test), images.train_labels) == (5, 1, None)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(6, dtype=np.uint8)))
    images = load(path)
    for image, label in zip(images.train, images.train_labels, strict=True):
        np.testing.assert_array_equal(image[..., 0], array[label])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable IDX file"),
        (b"\x1f\x8bxx", "not a readable IDX file"),
        (b"PNG!" * 10, "not a"),
        (
            idx(np.zeros((2, 4, 4), np.uint8))[:-1],
            r"not a readable IDX file: 31 bytes for the shape \(2, 4, 4\)",
        ),
        (idx(np.zeros((2, 4, 4), np.float32), kind=13), "not an IDX file of unsigned bytes"),
        (idx(np.zeros((4, 4), np.uint8)), "has shape"),
    ],
)
def test_damaged_idx_files(content, message, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(UserError, match=f"train-images-idx3-ubyte: {message}"):
        load(tmp_path)


def test_idx_folders_without_one_training_set(mnist, tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(UserError, match="holds t10k-images-idx3-ubyte but no training images"):
        load(tmp_path)
    for name in ("emnist-letters-train-images-idx3-ubyte", "emnist-digits-train-images-idx3-ubyte"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="must hold one training set, or name one of the files"):
        load(tmp_path)


# CIFAR


@pytest.fixture
def colours(rng):
    return rng.integers(256, size=(12, 32, 32, 3)).astype(np.uint8)


def cifar(images, labels, protocol, **more):
    """A pickled file as CIFAR's: rows of 3,072 values, channel by channel."""
    rows = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
    content = {"data": rows, **more, "labels": [int(label) for label in labels]}
    return pickle.dumps(content, protocol=protocol)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_cifar_10(protocol, colours, tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    labels = np.arange(12) % 10
    for i in range(5):
        part = slice(2 * i, 2 * i + 2)
        content = cifar(colours[part], labels[part], protocol, batch_label=f"batch {i}")
        (folder / f"data_batch_{i + 1}").write_bytes(content)
    (folder / "test_batch").write_bytes(cifar(colours[10:], labels[10:], protocol))
    (folder / "batches.meta").write_bytes(b"is not read")
    images = load(folder)
    np.testing.assert_array_equal(images.train, colours[:10])
    np.testing.assert_array_equal(images.test, colours[10:])
    np.testing.assert_array_equal(images.train_labels, labels[:10])
    np.testing.assert_array_equal(images.test_labels, labels[10:])
    assert path_classes(DataConfig(source=str(folder))) is None


#: A file as Python 2 wrote it: the values are a str, which Python 3 reads as bytes.
FROM_PYTHON_2 = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04"
    b"K\x00\x85U\x01b\x87Rq\x05(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq"
    b"\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x00\x0c\x00\x00"
    + bytes(range(256)) * 12
    + b"tbU\x06labelsq\x08]q\x09K\x07au."
)


def test_a_file_of_python_2(tmp_path):
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / name).write_bytes(FROM_PYTHON_2)
    images = load(tmp_path)
    expected = np.tile(np.arange(256), 12).reshape(3, 32, 32).transpose(1, 2, 0)
    np.testing.assert_array_equal(images.train[0], expected)
    assert images.train_labels.tolist() == [7]


def test_cifar_100(colours, tmp_path):
    for name, part in [("train", slice(10)), ("test", slice(10, 12))]:
        fine = np.arange(12)[part]
        content = pickle.loads(cifar(colours[part], fine, 2))
        content["fine_labels"] = content.pop("labels")
        content["coarse_labels"] = [0] * len(fine)
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol=2))
    (tmp_path / "meta").write_bytes(b"")
    write_archive(
        tmp_path / "cifar-100-python.tar.gz",
        {f"cifar-100-python/{n}": (tmp_path / n).read_bytes() for n in ("train", "test", "meta")},
    )
    for source in (tmp_path, tmp_path / "cifar-100-python.tar.gz"):
        images = load(source)
        np.testing.assert_array_equal(images.train, colours[:10])
        np.testing.assert_array_equal(images.test_labels, [10, 11])


class Malicious:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("where", ["alone", "label", "key", "data"])
def test_malicious_pickles_are_refused(where, protocol, colours, tmp_path):
    trap = Malicious(os.mkdir, str(tmp_path / "trapped"))
    contents = {
        "alone": trap,
        "label": {"data": np.zeros([1, 3072], np.uint8), "labels": [trap]},
        "key": {"data": np.zeros([1, 3072], np.uint8), "labels": [1], trap: 1},
        "data": {"data": trap, "labels": [1]},
    }
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(contents[where], protocol=protocol))
    with pytest.raises(UserError, match=r"data_batch_1: not a readable file of CIFAR: posix.mkdir"):
        load(tmp_path)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        cifar(np.zeros([2, 32, 32, 3], np.uint8), [1, 2], 2)[:-50],
        pickle.dumps([1]),
        pickle.dumps({"labels": [1]}),
        pickle.dumps({"data": np.zeros([2, 3072]), "labels": [1, 2]}),
        pickle.dumps({"data": np.zeros([2, 100], np.uint8), "labels": [1, 2]}),
        pickle.dumps({"data": np.zeros([2, 3072], object), "labels": [1, 2]}),
        pickle.dumps({"data": [1, 2], "labels": [1, 2]}),
        pickle.dumps({"data": Malicious(eval, "1")}),
        pickle.dumps({"data": np.zeros([2, 3072], np.uint8), "labels": ["a", 2]}),
        pickle.dumps({"data": np.zeros([2, 3072], np.uint8), "labels": [1]}),
        pickle.dumps({"data": np.zeros([2, 3072], np.uint8)}),
    ],
)
def test_damaged_files_of_cifar(content, tmp_path):
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(UserError, match=r"data_batch_1: .") as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


def test_files_of_mnist_and_cifar_are_found_below_the_folder(mnist, tmp_path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in mnist.items():
        (raw / name).write_bytes(idx(array))
    for folder in (raw, raw.parent, raw.parent.parent):
        np.testing.assert_array_equal(load(folder).test[..., 0], mnist["t10k-images-idx3-ubyte"])
    other = raw.parent.with_name("FashionMNIST") / "raw"
    other.mkdir(parents=True)
    (other / "train-images-idx3-ubyte").write_bytes(idx(mnist["train-images-idx3-ubyte"]))
    with pytest.raises(UserError, match=r"holds .*FashionMNIST/raw and .*MNIST/raw; must be one"):
        load(raw.parent.parent)


def test_an_idx_file_with_negative_axes(tmp_path):
    header = struct.pack(">HBB3i", 0, 8, 3, -1, 8, -8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header + bytes(64))
    with pytest.raises(UserError, match=r"not a readable IDX file: 64 bytes for the shape \(-1"):
        load(tmp_path)
