"""Images and labels from IDX files, the format of MNIST and its relatives.

Source of the format: LeCun, Cortes and Burges, "The MNIST database of handwritten digits",
http://yann.lecun.com/exdb/mnist: two zero bytes, the type of the values (8 is uint8), the number
of axes, their lengths as big-endian 32-bit integers, and the values in C order.
"""

import gzip
import re
import struct
from pathlib import Path

import numpy as np

from pixelcnn_tf.data.array_files import as_images, as_labels
from pixelcnn_tf.data.images import Part
from pixelcnn_tf.utils.errors import UserError, first_line

_IMAGES = re.compile(r"images?[-_.]idx3[-_.]ubyte(\.gz)?$", re.IGNORECASE)


def is_idx_file(path: Path) -> bool:
    """Returns whether a file is named like the images of an MNIST-like data set.

    Examples:
        >>> [is_idx_file(Path(name)) for name in ("train-images-idx3-ubyte.gz", "a.gz")]
        [True, False]
    """
    return _IMAGES.search(path.name) is not None


def idx_files(folder: Path) -> list[Path]:
    """Returns the files of images in a folder, see ``is_idx_file``, sorted by name.

    Examples:
        >>> import tempfile
        >>> idx_files(Path(tempfile.mkdtemp()))
        []
    """
    return sorted(path for path in folder.iterdir() if is_idx_file(path) and path.is_file())


def read_idx(path: Path, labels: bool) -> dict[str, Part]:
    """Returns the images of an IDX file, or of the files of a folder, as ``'training'`` and, where
    there are any, ``'test'``.

    Args:
        path: a file of images, or a folder with one whose name has ``train`` in it and, for the
            test set, one with ``test`` or ``t10k``. If a file is there compressed and not, the
            latter is read.
        labels: whether to read the labels too, where the file that belongs to the images
            (``train-labels-idx1-ubyte`` to ``train-images-idx3-ubyte``) exists.

    Raises:
        UserError: a file is damaged, or there are several training or test sets.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train-images-idx3-ubyte"
        >>> _ = path.write_bytes(struct.pack(">4B3i", 0, 0, 8, 3, 1, 2, 2) + bytes(range(4)))
        >>> read_idx(path, labels=False)["training"][0].ravel().tolist()
        [0, 1, 2, 3]
    """
    files = {"training": path} if path.is_file() else _sets(path)
    return {name: _part(file, labels) for name, file in files.items()}


def _sets(folder: Path) -> dict[str, Path]:
    files: dict[str, list[Path]] = {"training": [], "test": []}
    found = {file.name.removesuffix(".gz"): file for file in idx_files(folder)[::-1]}
    for name, file in sorted(found.items()):
        files["test" if re.search("t10k|test", name, re.IGNORECASE) else "training"].append(file)
    for name, several in files.items():
        if len(several) > 1:
            raise UserError(
                f"{folder}: holds {several[0].name} and {several[1].name}; must hold one {name} "
                "set, or name one of the files"
            )
    if not files["training"]:
        raise UserError(f"{folder}: holds {files['test'][0].name} but no training images")
    return {name: file for name, [file] in ((n, f) for n, f in files.items() if f)}


def _part(file: Path, labels: bool) -> Part:
    images = as_images(_read(file), str(file))
    name = re.sub(r"images?([-_.])idx3", r"labels\1idx1", file.name, flags=re.IGNORECASE)
    other = name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"
    beside = [path for path in (file.with_name(name), file.with_name(other)) if path.is_file()]
    if not labels or not beside:
        return images, None
    return images, as_labels(_read(beside[0]), str(beside[0]), len(images))


def _read(file: Path) -> np.ndarray:
    """Returns the uint8 array of a file; UserError if it is damaged or holds another type."""
    try:
        content = file.read_bytes()
        if content[:2] == b"\x1f\x8b":  # compressed, whatever its name
            content = gzip.decompress(content)
        zeros, kind, n_axes = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{n_axes}i", content[4 : 4 + 4 * n_axes])
    # Damaged data raise errors of many classes, that of zlib among them.
    except Exception as error:
        raise UserError(f"{file}: not a readable IDX file: {first_line(error)}") from None
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes)
    if zeros or kind != 8:
        raise UserError(f"{file}: not an IDX file of unsigned bytes")
    if len(values) != np.prod(shape) or min(shape) < 0:
        raise UserError(
            f"{file}: not a readable IDX file: {len(values):,} bytes for the shape {shape}"
        )
    return values.reshape(shape)
