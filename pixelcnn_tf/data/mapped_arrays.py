"""Arrays in files that are mapped into memory: read when they are used, a part at a time."""

import struct
import zipfile
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import ImageArray
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages
from pixelcnn_tf.utils.values import MOST_VALUES


def mapped_member(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray | None:
    """Returns an array of a .npz file, mapped into memory; None if it is compressed.

    Source of the formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html,
    and PKWARE, ".ZIP File Format Specification", section 4.3.7, local file headers.

    Args:
        path: the file.
        archive: the same file, opened.
        name: of the array.

    Raises:
        ValueError, OSError: the file is damaged, or the array holds Python objects.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> np.savez(path, x=np.arange(3))
        >>> with zipfile.ZipFile(path) as archive:
        ...     mapped_member(path, archive, "x").tolist()
        [0, 1, 2]
    """
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        return None
    with archive.open(member) as content:
        version = np.lib.format.read_magic(content)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            return None
        shape, is_fortran, dtype = readers[version](content)
        header = content.tell()
        while content.read(1 << 20):  # at the end, zipfile compares the checksum
            pass
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded")
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        lengths = sum(struct.unpack("<HH", file.read(4)))  # of the name and the extra field
    start = member.header_offset + 30 + lengths + header
    return np.memmap(path, dtype, "r", start, shape, "F" if is_fortran else "C")


def kept(images: np.ndarray, data: DataConfig, name: str) -> ImageArray:
    """Returns checked images that may be mapped into memory: as an array in memory, or, if they
    take more than ``data.cache_gb``, as ``StoredImages``.

    Args:
        images: uint8, uint16 or int32 ``[n, height, width, channels]``. The values of int32 must
            be 0 to 65535, and become uint16: those of mapped arrays when they are read.
        data: the section of the config.
        name: the location of the array, for progress bars and error messages.

    Raises:
        UserError: values of int32 that are out of range.

    Examples:
        >>> array = np.zeros((3, 4, 4, 1), np.uint8)
        >>> type(kept(array, DataConfig(cache_gb=0), "a.npy")).__name__
        'ndarray'
    """
    base = images
    while base is not None and not isinstance(base, np.memmap):
        base = base.base  # a view has lost the class
    if base is None or images.nbytes <= data.cache_gb * 1e9:
        return np.array(_narrowed(images, name)) if base is not None else _narrowed(images, name)
    file = Path(str(base.filename))
    before = _state(file)

    def read(positions: np.ndarray) -> np.ndarray:
        # Reading what a file no longer holds would end the process.
        if _state(file) != before:
            raise UserError(f"{file}: has changed since training began; restore it")
        return np.array(_narrowed(images[positions], name))

    n, height, width, channels = images.shape
    dtype = np.uint8 if images.itemsize == 1 else np.uint16
    return StoredImages(read, (n, height, width, channels), name, dtype=dtype)


def _narrowed(images: np.ndarray, where: str) -> np.ndarray:
    """Returns uint8, uint16 or int32 images as uint8 or uint16 of this machine."""
    if images.dtype.kind == "u":
        return images.astype(images.dtype.newbyteorder("="), copy=False)
    low, high = images.min(), images.max()
    if low < 0 or high >= MOST_VALUES:
        raise UserError(
            f"{where}: holds {images.dtype} from {low} to {high}; must be from 0 to "
            f"{MOST_VALUES - 1}"
        )
    return images.astype(np.uint16)


def _state(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
