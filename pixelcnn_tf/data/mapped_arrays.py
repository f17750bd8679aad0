"""Arrays in files that are mapped into memory: read when they are used, a part at a time."""

import struct
import zipfile
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import ImageArray
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages


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
        images: uint8 ``[n, height, width, channels]``.
        data: the section of the config.
        name: the location of the array, for progress bars.

    Examples:
        >>> array = np.zeros((3, 4, 4, 1), np.uint8)
        >>> type(kept(array, DataConfig(cache_gb=0), "a.npy")).__name__
        'ndarray'
    """
    base = images
    while base is not None and not isinstance(base, np.memmap):
        base = base.base  # a view has lost the class
    if base is None or images.nbytes <= data.cache_gb * 1e9:
        return np.array(images) if base is not None else images
    file = Path(str(base.filename))
    before = _state(file)

    def read(positions: np.ndarray) -> np.ndarray:
        # Reading what a file no longer holds would end the process.
        if _state(file) != before:
            raise UserError(f"{file}: has changed since training began; restore it")
        return np.array(images[positions])

    n, height, width, channels = images.shape
    return StoredImages(read, (n, height, width, channels), name)


def _state(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
