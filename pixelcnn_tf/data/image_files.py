"""Images from image files."""

import contextlib
import os
import zlib
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.image_decoding import (
    BrokenImage,
    DecodedImage,
    DeepImage,
    ImageFile,
    bombs_are_errors,
    decode,
)
from pixelcnn_tf.data.images import ImageArray
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress, say
from pixelcnn_tf.utils.stored_images import ImageFigures, StoredImages, n_threads


class BrokenImagesError(UserError):
    """Files that are not readable images, or have too many bits.

    Examples:
        >>> raise BrokenImagesError("a.png: not a readable image (cut off)")
        Traceback (most recent call last):
        pixelcnn_tf.data.image_files.BrokenImagesError: a.png: not a readable image (cut off)
    """


class ReadImages(NamedTuple):
    """The images of some files.

    Attributes:
        images: uint8, or uint16 with ``data.sixteen_bit`` ``'keep'``, ``[n, height, width,
            channels]``.
        files: the files that they come from; with ``data.skip_broken``, those that can be read.

    Examples:
        >>> from pathlib import Path
        >>> ReadImages(np.zeros([1, 8, 8, 3], np.uint8), [Path("a.png")]).files[0].name
        'a.png'
    """

    images: ImageArray
    files: list


def read_images(
    files: Sequence[ImageFile], data: DataConfig, name: str | None = None
) -> ReadImages:
    """Returns the images of files as one array, or as ``StoredImages`` if they take more than
    ``data.cache_gb``.

    Of an animation, or a file of several pages, the first image is read. What is left out is
    printed.

    Args:
        files: at least one.
        data: the section of the config whose ``image_size``, ``fit``, ``sixteen_bit`` and
            ``skip_broken`` state how to read them.
        name: for progress bars and notes; the folder that contains all files if not given.

    Returns:
        the images, with one channel if all are greyscale, else three, and their files.

    Raises:
        BrokenImagesError: files are not images, or have more than 8 bits per channel; all are
            named.
        UserError: the images differ in size.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> Image.new("RGB", (20, 10)).save(file)
        >>> read_images([file], DataConfig(source="photos", image_size=8)).images.shape
        (1, 8, 8, 3)
    """
    name = name or os.path.commonpath([str(file) for file in files])
    found = _Found(data, name)
    # Closed here, because one of its own threads cannot close it.
    with contextlib.closing(_each(files, data)) as images:
        results = progress(f"reading {name}", len(files), "img", images)
        for file, result in zip(files, results, strict=True):
            found.add(file, result)
    if found.deep:
        raise BrokenImagesError(
            f"{_listed(found.deep)}: {'have' if len(found.deep) > 1 else 'has'} more than 8 bits "
            "per channel; set data.sixteen_bit=scale to keep the upper 8, or keep for all of them"
            + (f"; not readable: {found.listed_broken()}" if found.broken else "")
        )
    _tell(name, len(files), found, data)
    return ReadImages(found.images(), found.files)


def _each(
    files: Sequence[ImageFile], data: DataConfig
) -> Generator[DecodedImage | Exception, None, None]:
    """Yields the image of each file, or the error, in order; several threads read ahead."""
    with ThreadPoolExecutor(n_threads()) as pool, bombs_are_errors():
        for first in range(0, len(files), 256):
            yield from pool.map(lambda file: _try_to_read(file, data), files[first : first + 256])


def _try_to_read(file: ImageFile, data: DataConfig) -> DecodedImage | Exception:
    try:
        return decode(file, data)
    except (BrokenImage, DeepImage, UserError) as error:
        return error


class _Found:
    """What was found in files that are read one after another.

    The images are kept as long as they fit into ``data.cache_gb``. The figures of each are kept
    both as it is and with three channels: if one image is in colour, all are stored with three.
    """

    def __init__(self, data: DataConfig, name: str):
        self.data = data
        self.name = name
        self.files: list[ImageFile] = []
        self.broken: list[tuple[str, str]] = []
        self.deep: list[str] = []
        self.notes: Counter = Counter()
        self._size: tuple[int, int] | None = None
        self._dtype = np.dtype(np.uint8)
        self._kept: list[np.ndarray] | None = []
        self._as_they_are, self._in_colour = ImageFigures(), ImageFigures()
        self._colours = 0

    def add(self, file: ImageFile, result: DecodedImage | Exception) -> None:
        """Add the image of a file, or the error with which reading it ended."""
        if isinstance(result, BrokenImage):
            self.broken.append((str(file), str(result)))
        elif isinstance(result, DeepImage):
            self.deep.append(str(file))
        elif isinstance(result, Exception):
            raise result
        else:
            self.notes.update(result.notes)
            self._add(file, result.pixels)

    def _add(self, file: ImageFile, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        if self._size and self._size != (height, width):
            first_height, first_width = self._size
            raise UserError(
                f"{file}: is {height}x{width}, {self.files[0]} is {first_height}x{first_width}; "
                "set data.image_size to resize all of them"
            )
        if self._size and self._dtype != image.dtype:
            raise UserError(
                f"{file}: has {8 * image.itemsize} bits per channel, {self.files[0]} has "
                f"{8 * self._dtype.itemsize}; with data.sixteen_bit 'keep' all must have the same"
            )
        self._size, self._dtype = (height, width), image.dtype
        self.files.append(file)
        self._colours += image.ndim == 3
        self._as_they_are.add(image)
        self._in_colour.add(_with_channels(image, 3))
        if self._kept is not None:
            self._kept.append(image)
            if len(self._kept) * image.nbytes > self.data.cache_gb * 1e9:
                self._kept = None

    def listed_broken(self) -> str:
        """Returns the broken files, each with the reason."""
        return _listed([f"{file} ({reason})" for file, reason in self.broken])

    def images(self) -> ImageArray:
        """Returns the images of all files that could be read."""
        channels = 3 if self._colours else 1
        if self._kept is not None:
            return np.stack([_with_channels(image, channels) for image in self._kept])
        figures = self._in_colour if self._colours else self._as_they_are
        checksums, files, data = figures.checksums.tolist(), self.files, self.data

        def read(positions: np.ndarray) -> np.ndarray:
            return np.stack(
                [_read_again(files[at], data, channels, checksums[at]) for at in positions.tolist()]
            )

        height, width = self._size or (0, 0)
        shape = len(files), height, width, channels
        return StoredImages(read, shape, self.name, figures, self._dtype)


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Returns an image with a last axis of one or three channels."""
    return image if image.ndim == 3 else np.stack([image] * channels, axis=-1)


def _read_again(file: ImageFile, data: DataConfig, channels: int, checksum: int) -> np.ndarray:
    """Returns an image that has been read before, ``[height, width, channels]``.

    Raises:
        UserError: it cannot be read any more, or is another one.
    """
    result = _try_to_read(file, data)
    if isinstance(result, Exception):
        raise UserError(f"{file}: can no longer be read ({result})")
    image = _with_channels(result.pixels, channels)
    if image.ndim != 3 or zlib.crc32(np.ascontiguousarray(image).data) != checksum:
        raise UserError(f"{file}: has changed since training began; restore it")
    return image


def _tell(name: str, n_files: int, found: _Found, data: DataConfig) -> None:
    """Raises UserError if there are broken files, unless they are skipped; prints what was done."""
    broken = found.broken
    listed = found.listed_broken()
    if broken and (not data.skip_broken or len(broken) == n_files):
        what = f"{name}: not readable images: {listed}; repair or remove them"
        if len(broken) == 1:
            file, reason = broken[0]
            what = f"{file}: not a readable image ({reason}); repair or remove it"
        raise BrokenImagesError(f"{what}, or set data.skip_broken=true")
    if broken:
        say(f"{name}: skipped {len(broken):,} broken files: {listed}")
    for note, n in found.notes.items():
        say(f"{name}: {note} of {n:,} file{'s' if n > 1 else ''}")


def _listed(files: list[str], most: int = 100) -> str:
    more = [f"and {len(files) - most:,} more"] if len(files) > most else []
    return ", ".join([*files[:most], *more])
