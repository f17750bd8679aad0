"""Images that stay on disk and are read when they are needed."""

import array
import os
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pixelcnn_tf.utils.progress import progress


class StoredImages:
    """Images on disk, which indexing reads, like a read-only array
    ``[n, height, width, channels]`` of integers.

    The first index may be an integer, a slice or an array of positions; others are not supported.

    Args:
        read: returns the images at some positions, ``[k, height, width, channels]`` of ``dtype``,
            given int64 ``[k]``. It is called from several threads at once.
        shape: ``[n, height, width, channels]``.
        name: the file or folder, for progress bars.
        figures: the ``ImageFigures`` of all ``n`` images, if they are known; otherwise they are
            computed when they are asked for.
        dtype: uint8 or uint16.

    Attributes:
        shape, ndim, dtype, nbytes: as of an array.

    Examples:
        >>> array = np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1)
        >>> stored = StoredImages(lambda positions: array[positions], array.shape, "an array")
        >>> len(stored), stored[0].shape, stored[:2].shape, stored.max()
        (3, (4, 4, 1), (2, 4, 4, 1), 47)
        >>> stored.subset(np.array([2, 0])).checksum() == zlib.crc32(array[[2, 0]])
        True
    """

    ndim = 4

    def __init__(
        self,
        read: Callable[[np.ndarray], np.ndarray],
        shape: tuple[int, int, int, int],
        name: str,
        figures: "ImageFigures | None" = None,
        dtype: npt.DTypeLike = np.uint8,
    ):
        self._source = _Source(read, shape, name, figures)
        self.dtype = np.dtype(dtype)
        self._positions = np.arange(shape[0])
        self.shape = shape

    @property
    def nbytes(self) -> int:
        """The number of bytes that the images would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def error(self) -> Exception | None:
        """What went wrong when images were read last; None if nothing did. TensorFlow reports an
        exception in a dataset as one of its own, without the original one."""
        return self._source.error

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        positions = self._positions[index]
        images = self._source.images_at(np.atleast_1d(positions))
        return images if np.ndim(positions) else images[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        images = self[:]
        return images if dtype is None else images.astype(dtype)

    def subset(self, positions: np.ndarray) -> "StoredImages":
        """Returns the images at ``positions``, int64 ``[k]``, in this order, without reading
        them."""
        part = object.__new__(StoredImages)
        part._source, part.dtype = self._source, self.dtype
        part._positions = self._positions[positions]
        _, height, width, channels = self.shape
        part.shape = (len(part._positions), height, width, channels)
        return part

    def max(self) -> int:
        """Returns the largest value."""
        return int(self._source.figures().largest[self._positions].max())

    def checksums(self) -> np.ndarray:
        """Returns the CRC-32 of each image, uint32 ``[n]``."""
        return self._source.figures().checksums[self._positions]

    def checksum(self) -> int:
        """Returns the CRC-32 of all bytes, that of the array in memory."""
        return combined_checksum(self.checksums(), self.nbytes // max(len(self), 1))


def n_threads() -> int:
    """Returns the number of threads that read images at once: as many as there are cores, up to
    16.

    Examples:
        >>> n_threads() >= 1
        True
    """
    return min(os.cpu_count() or 1, 16)


class ImageFigures:
    """The checksum and the largest value of each image.

    Examples:
        >>> figures = ImageFigures()
        >>> figures.add(np.full((8, 8, 1), 7, np.uint8))
        >>> figures.largest
        array([7], dtype=uint16)
    """

    def __init__(self) -> None:
        self._checksums = array.array("L")
        self._largest = array.array("H")

    def add(self, image: np.ndarray) -> None:
        """Add an image, uint8 or uint16."""
        self._checksums.append(zlib.crc32(np.ascontiguousarray(image).data))
        self._largest.append(int(image.max()))

    @property
    def checksums(self) -> np.ndarray:
        """The CRC-32 of each image, uint32 ``[n]``."""
        return np.array(self._checksums, np.uint32)

    @property
    def largest(self) -> np.ndarray:
        """The largest value of each image, uint16 ``[n]``."""
        return np.array(self._largest, np.uint16)


class _Source:
    """The images that several subsets share."""

    def __init__(
        self, read: Callable, shape: tuple[int, int, int, int], name: str, figures
    ) -> None:
        self.read, self.shape, self.name = read, shape, name
        self.error: Exception | None = None
        self._figures: ImageFigures | None = figures

    def images_at(self, positions: np.ndarray) -> np.ndarray:
        try:
            return self.read(positions)
        except Exception as error:
            self.error = error
            raise

    def figures(self) -> ImageFigures:
        if self._figures is None:
            figures, n = ImageFigures(), self.shape[0]
            with progress(f"checking {self.name}", n, "img") as bar:
                for first in range(0, n, 256):
                    images = self.images_at(np.arange(first, min(first + 256, n)))
                    for image in images:
                        figures.add(image)
                    bar.update(len(images))
            self._figures = figures
        return self._figures


def subset(images: np.ndarray | StoredImages, positions: np.ndarray) -> np.ndarray | StoredImages:
    """Returns the images at some positions; stored ones are not read.

    Examples:
        >>> subset(np.zeros((3, 4, 4, 1), np.uint8), np.array([0, 2])).shape
        (2, 4, 4, 1)
    """
    stored = isinstance(images, StoredImages)
    return images.subset(positions) if stored else images[positions]


def combined_checksum(checksums: np.ndarray, n_bytes: int) -> int:
    """Returns the CRC-32 of blocks of ``n_bytes`` bytes, one after another, from that of each.

    The CRC-32 of a block that follows others is its own one, combined by exclusive or with a
    function of the CRC-32 of the others that is linear over bits: what ``n_bytes`` zeros make of
    it. Four tables of 256 entries, one for each byte, hold that function.

    Args:
        checksums: uint32 ``[n]``.
        n_bytes: the size of a block.

    Examples:
        >>> blocks = [b"ab", b"cd", b"ef"]
        >>> checksums = np.array([zlib.crc32(block) for block in blocks], np.uint32)
        >>> combined_checksum(checksums, n_bytes=2) == zlib.crc32(b"abcdef")
        True
    """
    zeros = bytes(n_bytes)
    alone = zlib.crc32(zeros)
    tables = [[zlib.crc32(zeros, b << 8 * i) ^ alone for b in range(256)] for i in range(4)]
    t0, t1, t2, t3 = tables
    total = 0
    for checksum in checksums.tolist():
        moved = t0[total & 255] ^ t1[total >> 8 & 255] ^ t2[total >> 16 & 255] ^ t3[total >> 24]
        total = moved ^ checksum
    return total
