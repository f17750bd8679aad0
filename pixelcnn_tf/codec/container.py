"""The file format of compressed images, ``.pxc``.

All numbers are unsigned and of any size, seven bits per byte, the lowest first (LEB128), unless
said otherwise; texts and arrays are preceded by their length in bytes::

    PXC1                      four letters
    digest of the model       16 bytes
    software                  text: what wrote the file
    compiled                  1 if XLA compiled the loop, else 0
    channels, images, tile    tile: the side of the tiles that images are cut into, 0 for none
    number of sizes, then height and width of each
    size of every image       zlib of uint32, if there are several sizes
    number of classes, labels 0 classes for none; of 2 and more, the labels are the digits of one
                              large number
    names                     zlib of text, a name per line; empty for none
    for every group of tiles (layout.py), in the order of their first tiles:
        tiles per batch, streams per batch, number of batches
        for every batch:
            CRC-32 of its pixels   4 bytes, little-endian, as all that follow
            streams           8 bytes each
            number of words, words   4 bytes each
    CRC-32 of all bytes before   4 bytes
"""

import os
import zlib
from dataclasses import dataclass, field

import numpy as np

from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.machine import memory

MAGIC = b"PXC1"
DIGEST_BYTES = 16

#: More than this is refused, so that a small file cannot take much memory.
MOST_NAMES, MOST_STREAMS = 1 << 26, 256

#: The smallest tile.
LEAST_TILE = 8

#: Digits of one large number: its arithmetic takes the square of their number.
_DIGITS = 1024


@dataclass
class CodedBatch:
    """A batch of images that are coded together.

    Attributes:
        checksum: CRC-32 of the pixels.
        streams: uint64 ``[n_streams]``.
        words: uint32 ``[n_words]``.

    Example:
        >>> batch = CodedBatch(0, np.array([1 << 32], np.uint64), np.array([5], np.uint32))
        >>> len(batch.words)
        1
    """

    checksum: int
    streams: np.ndarray
    words: np.ndarray


@dataclass
class CodedGroup:
    """The tiles of one group, see layout.py.

    Attributes:
        batch_size: tiles per batch; the last batch is filled up.
        n_streams: streams per batch.
        batches: the batches.

    Example:
        >>> CodedGroup(batch_size=64, n_streams=32).batches
        []
    """

    batch_size: int
    n_streams: int
    batches: list[CodedBatch] = field(default_factory=list)


@dataclass
class Container:
    """The contents of a ``.pxc`` file.

    Attributes:
        digest: identifies the model.
        software: what wrote the file.
        compiled: whether XLA compiled the loop.
        n_channels: channels per pixel.
        n_images: number of images.
        sizes: the (height, width) that images have, each once.
        size_of: uint32 ``[n_images]``, the place of the size of each image in ``sizes``; None if
            there is one size.
        tile: side of the tiles that the images are cut into; 0 for none.
        n_classes: number of classes of the model; 0 if it is not class-conditional.
        labels: the labels of the images, if there are several classes.
        names: the names of the images, or none.
        groups: the images or tiles, in the groups of ``layout_of``.

    Example:
        >>> container = Container(b"0123456789abcdef", "0.2.0", True, 3, 5, [(8, 8)])
        >>> read_container(container.to_bytes()) == container
        True
    """

    digest: bytes
    software: str
    compiled: bool
    n_channels: int
    n_images: int
    sizes: list[tuple[int, int]]
    size_of: np.ndarray | None = None
    tile: int = 0
    n_classes: int = 0
    labels: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    groups: list[CodedGroup] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Returns the file."""
        parts = [MAGIC, self.digest, _text(self.software.encode())]
        parts += map(_number, [self.compiled, self.n_channels, self.n_images, self.tile])
        parts += map(_number, [len(self.sizes), *(side for size in self.sizes for side in size)])
        if self.size_of is not None:
            parts.append(_text(zlib.compress(self.size_of.astype("<u4").tobytes(), 9)))
        parts.append(_number(self.n_classes))
        if self.n_classes > 1:
            parts.append(_text(_join_digits(self.labels, self.n_classes)))
        names = os.fsencode("\n".join(self.names))
        parts.append(_text(zlib.compress(names, 9) if self.names else b""))
        parts.append(_number(len(self.groups)))
        for group in self.groups:
            parts += map(_number, [group.batch_size, group.n_streams, len(group.batches)])
            for batch in group.batches:
                parts.append(batch.checksum.to_bytes(4, "little"))
                parts.append(batch.streams.astype("<u8").tobytes())
                parts += [_number(len(batch.words)), batch.words.astype("<u4").tobytes()]
        data = b"".join(parts)
        return data + zlib.crc32(data).to_bytes(4, "little")


def read_container(data: bytes, name: str = "the file") -> Container:
    """Reads a file that ``Container.to_bytes`` made.

    Args:
        data: its bytes.
        name: what an error calls it.

    Raises:
        UserError: it is another kind of file, damaged, or cut short.

    Example:
        >>> read_container(b"GIF89a", "image.gif")
        Traceback (most recent call last):
            ...
        pixelcnn_tf.utils.errors.UserError: image.gif: is not a .pxc file of compressed images
    """
    if not data.startswith(MAGIC):
        empty = "" if data else ": it is empty"
        raise UserError(f"{name}: is not a .pxc file of compressed images{empty}")
    if zlib.crc32(data[:-4]).to_bytes(4, "little") != data[-4:] or len(data) < 8:
        raise UserError(f"{name}: is damaged or cut short: its checksum is wrong")
    try:
        return _Reader(data[len(MAGIC) : -4]).container()
    except (ValueError, OverflowError, zlib.error) as error:
        raise UserError(f"{name}: is not a valid .pxc file: {error}") from None


class _Reader:
    """Reads the parts of a file one after another; ValueError where they cannot be right."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def container(self) -> Container:
        digest, software = self._take(DIGEST_BYTES), self._text().decode()
        compiled, n_channels, n_images, tile = (self._number() for _ in range(4))
        sizes, size_of = self._sizes(n_images)
        n_classes = self._number()
        labels = _split_digits(self._text(), n_classes, n_images) if n_classes > 1 else []
        joined = self._unzipped(MOST_NAMES)
        if joined and joined.count(b"\n") + 1 != n_images:
            raise ValueError("it has not as many names as images")
        names = os.fsdecode(joined).split("\n") if joined else []
        if 0 < tile < LEAST_TILE:
            raise ValueError(f"tiles of {tile}x{tile} pixels")
        groups = [self._group() for _ in range(self._number())]
        if self._at != len(self._data):
            raise ValueError("it goes on after its end")
        image = (n_channels, n_images, sizes, size_of, tile)
        return Container(digest, software, bool(compiled), *image, n_classes, labels, names, groups)

    def _sizes(self, n_images: int):
        sizes = [(self._number(), self._number()) for _ in range(self._number())]
        if not sizes or not n_images or not all(map(all, sizes)):
            raise ValueError("it holds no image")
        if len(sizes) == 1:
            return sizes, None
        if 4 * n_images > memory() // 8:
            raise ValueError(f"{n_images:,} images do not fit memory")
        index = np.frombuffer(self._unzipped(4 * n_images), "<u4")
        if len(index) != n_images or index.max() >= len(sizes):
            raise ValueError("the sizes of its images do not fit")
        return sizes, index

    def _group(self) -> CodedGroup:
        group = CodedGroup(self._number(), self._number())
        if not group.batch_size or not 0 < group.n_streams <= MOST_STREAMS:
            raise ValueError("a batch has no images, or too many streams")
        for _ in range(self._number()):
            checksum = int.from_bytes(self._take(4), "little")
            streams = np.frombuffer(self._take(8 * group.n_streams), "<u8").astype(np.uint64)
            words = np.frombuffer(self._take(4 * self._number()), "<u4").astype(np.uint32)
            group.batches.append(CodedBatch(checksum, streams, words))
        return group

    def _take(self, n: int) -> bytes:
        part = self._data[self._at : self._at + n]
        if len(part) != n:
            raise ValueError("it ends too early")
        self._at += n
        return part

    def _number(self) -> int:
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a number is too large")

    def _text(self) -> bytes:
        return self._take(self._number())

    def _unzipped(self, most: int) -> bytes:
        packed = self._text()
        unzip = zlib.decompressobj()
        data = unzip.decompress(packed, most) if packed else b""
        if unzip.unconsumed_tail:
            raise ValueError("a text is too long")
        return data


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(data: bytes) -> bytes:
    return _number(len(data)) + data


def _join_digits(digits: list[int], base: int) -> bytes:
    """Packs digits in ``log2(base)`` bits each, in numbers of ``_DIGITS`` digits."""
    parts = []
    for first in range(0, len(digits), _DIGITS):
        value = 0
        for digit in reversed(digits[first : first + _DIGITS]):
            value = value * base + digit
        parts.append(value.to_bytes(_bytes_for(len(digits) - first, base), "little"))
    return b"".join(parts)


def _split_digits(data: bytes, base: int, n: int) -> list[int]:
    digits: list[int] = []
    at = 0
    while len(digits) < n:
        length = _bytes_for(n - len(digits), base)
        if at + length > len(data):
            raise ValueError("labels are missing")
        value = int.from_bytes(data[at : at + length], "little")
        at += length
        for _ in range(min(_DIGITS, n - len(digits))):
            value, digit = divmod(value, base)
            digits.append(digit)
        if value:
            raise ValueError("a label is out of range")
    return digits


def _bytes_for(n: int, base: int) -> int:
    return ((base ** min(n, _DIGITS) - 1).bit_length() + 7) // 8
