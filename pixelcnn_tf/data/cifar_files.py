"""Images and labels from the files of CIFAR-10 and CIFAR-100 for Python.

Source of the format: Krizhevsky, "The CIFAR-10 dataset",
https://www.cs.toronto.edu/~kriz/cifar.html: pickled dictionaries with ``data``, uint8 ``[n, 3072]``
(1,024 values of red, then green, then blue), and ``labels``, or ``fine_labels`` and
``coarse_labels``.

Unpickling runs whatever code a file asks for. Here it can name a few functions and classes, all of
which are replaced with ones of this module that only keep what they are given.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from pixelcnn_tf.data.array_files import as_labels
from pixelcnn_tf.data.images import Part
from pixelcnn_tf.utils.errors import UserError, first_line


def cifar_files(folder: Path) -> dict[str, list[Path]] | None:
    """Returns the files of the training and the test set, or None for another kind of folder.

    Examples:
        >>> import tempfile
        >>> cifar_files(Path(tempfile.mkdtemp())) is None
        True
    """
    if (folder / "data_batch_1").is_file():  # CIFAR-10
        train, test = sorted(folder.glob("data_batch_*")), folder / "test_batch"
    elif (folder / "train").is_file() and (folder / "meta").is_file():  # CIFAR-100
        train, test = [folder / "train"], folder / "test"
    else:
        return None
    return {"training": train, **({"test": [test]} if test.is_file() else {})}


def read_cifar(folder: Path, labels: bool) -> dict[str, Part]:
    """Returns the images of a folder ``cifar-10-batches-py`` or ``cifar-100-python``.

    Args:
        folder: for which ``cifar_files`` is not None.
        labels: whether to return the labels too; those of CIFAR-100 are the 100 fine ones.

    Returns:
        uint8 ``[n, 32, 32, 3]`` and int32 ``[n]``, as ``'training'`` and ``'test'``.

    Raises:
        UserError: a file is damaged, or holds other objects than such images.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> content = {b"data": np.zeros([5, 3072], np.uint8), b"labels": [0, 1, 2, 3, 9]}
        >>> _ = (folder / "data_batch_1").write_bytes(pickle.dumps(content, protocol=2))
        >>> images, labels = read_cifar(folder, labels=True)["training"]
        >>> images.shape, labels.tolist()
        ((5, 32, 32, 3), [0, 1, 2, 3, 9])
    """
    sets = {}
    for name, files in (cifar_files(folder) or {}).items():
        parts = [_part(file, labels) for file in files]
        images, numbers = zip(*parts, strict=True)
        sets[name] = np.concatenate(images), np.concatenate(numbers) if labels else None
    return sets


def _part(file: Path, labels: bool) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        content = _Unpickler(io.BytesIO(file.read_bytes()), encoding="bytes").load()
        if not isinstance(content, dict):
            raise ValueError(f"holds a {type(content).__name__}")
        content = {str(k, "latin1") if isinstance(k, bytes) else k: v for k, v in content.items()}
        values = content["data"].values().reshape(-1, 3, 32, 32)
        given = content.get("labels", content.get("fine_labels"))
    # Damaged pickles raise errors of nearly every class.
    except Exception as error:
        raise UserError(f"{file}: not a readable file of CIFAR: {first_line(error)}") from None
    images = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
    if not labels:
        return images, None
    if not isinstance(given, list) or not all(type(label) is int for label in given):
        raise UserError(f"{file}: holds no list of labels")
    return images, as_labels(np.array(given, np.int64), str(file), len(images))


class _Array:
    """What is left of a pickled NumPy array."""

    state: Any = None

    def __init__(self, *_):
        pass

    def __setstate__(self, state):
        self.state = state

    def values(self) -> np.ndarray:
        _, shape, dtype, in_fortran_order, content = self.state
        if not isinstance(dtype, _DType) or dtype.name not in ("u1", b"u1", "|u1", b"|u1"):
            raise ValueError("an array of another dtype than uint8")
        order = "F" if in_fortran_order else "C"
        return np.frombuffer(content, np.uint8).reshape(shape, order=order)


class _DType:
    """What is left of a pickled dtype."""

    def __init__(self, name=None, *_):
        self.name = name

    def __setstate__(self, state):
        pass


def _from_buffer(content, dtype, shape, order) -> _Array:
    """How NumPy writes arrays in the pickle protocol 5."""
    array = _Array()
    array.state = None, shape, dtype, order == "F", content
    return array


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in the pickle protocols up to 2."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"the encoding {encoding!r:.40}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        replaced = {
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy._core.multiarray", "_reconstruct"): _Array,
            ("numpy.core.numeric", "_frombuffer"): _from_buffer,
            ("numpy._core.numeric", "_frombuffer"): _from_buffer,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _DType,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in replaced:
            raise pickle.UnpicklingError(f"{module}.{name} is refused; only arrays are read")
        return replaced[module, name]
