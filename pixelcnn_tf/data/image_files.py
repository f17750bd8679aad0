"""Images from image files."""

import contextlib
import importlib
import io
import os
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from pixelcnn_tf.config.schema import DataConfig
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


@runtime_checkable
class ImageFile(Protocol):
    """What an image can be read from: the path of a file, or another object whose ``read_bytes``
    returns the contents of one and whose name is its ``str``.

    Examples:
        >>> isinstance(Path("a.png"), ImageFile)
        True
    """

    def read_bytes(self) -> bytes: ...


class ReadImages(NamedTuple):
    """The images of some files.

    Attributes:
        images: uint8 ``[n, height, width, channels]``.
        files: the files that they come from; with ``data.skip_broken``, those that can be read.

    Examples:
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
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> Image.new("RGB", (20, 10)).save(file)
        >>> read_images([file], DataConfig(source="photos", image_size=8)).images.shape
        (1, 8, 8, 3)
    """
    name = name or os.path.commonpath([str(file) for file in files])
    found = _Found(data, name)
    results = progress(f"reading {name}", len(files), "img", _each(files, data))
    for file, result in zip(files, results, strict=True):
        found.add(file, result)
    if found.deep:
        raise BrokenImagesError(
            f"{_listed(found.deep)}: {'have' if len(found.deep) > 1 else 'has'} more than 8 bits "
            "per channel; set data.sixteen_bit=scale to keep the upper 8"
        )
    _tell(name, len(files), found, data)
    return ReadImages(found.images(), found.files)


def _each(files: Sequence[ImageFile], data: DataConfig) -> Iterator["_Image | Exception"]:
    """Yields the image of each file, or the error, in order; several threads read ahead."""
    with ThreadPoolExecutor(n_threads()) as pool, _bombs_are_errors():
        for first in range(0, len(files), 256):
            yield from pool.map(lambda file: _try_to_read(file, data), files[first : first + 256])


def _try_to_read(file: ImageFile, data: DataConfig) -> "_Image | Exception":
    try:
        return _read_image(file, data)
    except (_BrokenImage, _DeepImage, UserError) as error:
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
        self._kept: list[np.ndarray] | None = []
        self._as_they_are, self._in_colour = ImageFigures(), ImageFigures()
        self._colours = 0

    def add(self, file: ImageFile, result: "_Image | Exception") -> None:
        """Add the image of a file, or the error with which reading it ended."""
        if isinstance(result, _BrokenImage):
            self.broken.append((str(file), str(result)))
        elif isinstance(result, _DeepImage):
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
        self._size = height, width
        self.files.append(file)
        self._colours += image.ndim == 3
        self._as_they_are.add(image)
        self._in_colour.add(_with_channels(image, 3))
        if self._kept is not None:
            self._kept.append(image)
            if len(self._kept) * image.size > self.data.cache_gb * 1e9:
                self._kept = None

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
        return StoredImages(read, shape, self.name, figures)


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
    listed = _listed([f"{file} ({reason})" for file, reason in broken])
    if broken and (not data.skip_broken or len(broken) == n_files):
        first, reason = broken[0]
        what = f"{name}: not readable images: {listed}; repair or remove them"
        if len(broken) == 1:
            what = f"{first}: not a readable image ({reason}); repair or remove it"
        raise BrokenImagesError(f"{what}, or set data.skip_broken=true")
    if broken:
        say(f"{name}: skipped {len(broken):,} broken files: {listed}")
    for note, n in found.notes.items():
        say(f"{name}: {note} of {n:,} file{'s' if n > 1 else ''}")


def _listed(files: list[str], most: int = 100) -> str:
    more = [f"and {len(files) - most:,} more"] if len(files) > most else []
    return ", ".join([*files[:most], *more])


class _BrokenImage(Exception):
    """The reason why a file is not a readable image."""


class _DeepImage(Exception):
    """A file has more than 8 bits per channel, and ``data.sixteen_bit`` is null."""


@contextlib.contextmanager
def opened_image(file: Path) -> Iterator[Image.Image]:
    """Yields the opened image file.

    Raises:
        UserError: it is not a readable image.

    Examples:
        >>> with opened_image(Path("none.png")) as image:
        ...     image.size
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: none.png: not a readable image (...
    """
    try:
        with _bombs_are_errors(), _opened(file) as image:
            yield image
    except _BrokenImage as error:
        raise UserError(f"{file}: not a readable image ({error})") from None


@contextlib.contextmanager
def _bombs_are_errors() -> Iterator[None]:
    """Within the ``with`` block, images of a suspicious size cannot be opened. Not to be entered by
    several threads: they share the filters of warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextlib.contextmanager
def _opened(file: ImageFile) -> Iterator[Image.Image]:
    if isinstance(file, Path) and file.suffix.lower() in (".heic", ".heif"):
        try:
            importlib.import_module("pillow_heif").register_heif_opener()
        except ImportError:
            raise _BrokenImage("needs the package pillow-heif") from None
    try:
        with Image.open(file if isinstance(file, Path) else io.BytesIO(file.read_bytes())) as image:
            yield image
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        reason = str(error).replace(f" '{file}'", "").rstrip(":") or type(error).__name__
        raise _BrokenImage(reason) from None


#: Pillow's modes of 8 bits per channel; others would lose values.
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}


class _Image(NamedTuple):
    """The pixels of a file, uint8 ``[height, width]`` if it is greyscale, else
    ``[height, width, 3]``, and what was left out."""

    pixels: np.ndarray
    notes: list[str]


def _read_image(file: ImageFile, data: DataConfig) -> _Image:
    """Returns the image of a file; the background of transparent images is white.

    Raises:
        UserError: the file has another number of bits per channel, or cannot be scaled.
        _DeepImage, _BrokenImage: see there.
    """
    with _opened(file) as opened:
        notes = ["read the first image"] if getattr(opened, "n_frames", 1) > 1 else []
        sixteen = _has_sixteen_bits(opened)
        if sixteen and _tiff_tag(opened, Base.PlanarConfiguration) == 2:
            raise UserError(
                f"{file}: has 16 bits per channel, one channel after another, which Pillow does "
                "not read right; convert it"
            )
        image = ImageOps.exif_transpose(opened)
        mode = image.mode
        if sixteen and data.sixteen_bit is None:
            raise _DeepImage
        if sixteen:
            notes.append("kept the upper 8 bits per channel")
        if sixteen and mode.startswith("I"):  # in colour, Pillow has kept the upper 8 bits
            image, mode = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)), "L"
        if mode not in _EIGHT_BIT_MODES:
            raise UserError(f"{file}: has mode {mode}; must have 8 bits per channel: convert it")
        if image.has_transparency_data:
            paper = Image.new("RGBA", image.size, "white")
            paper.alpha_composite(image.convert("RGBA"))
            image = paper
        image = image.convert("L" if mode in ("1", "L", "LA", "La") else "RGB")
    if data.image_size:
        height, width = data.image_size
        resize = ImageOps.fit if data.fit == "crop" else Image.Image.resize
        image = resize(image, (width, height), Image.Resampling.LANCZOS)
    return _Image(np.asarray(image), notes)


def _has_sixteen_bits(opened: Image.Image) -> bool:
    """Whether a file that is not loaded yet has more than 8 bits per channel. Of images in colour,
    the mode is that of the 8 bits that Pillow keeps, and how it decodes the file tells."""
    if opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format in ("PNG", "PPM")):
        return True
    bits = _tiff_tag(opened, Base.BitsPerSample)
    if bits is not None and 16 in np.atleast_1d(bits):
        return True
    arguments = [tile[3] for tile in getattr(opened, "tile", ())]
    if opened.format == "PPM":  # the largest value is among them
        return any(int(number) > 255 for number in re.findall(r"\d+", str(arguments)))
    return any(";16" in str(argument) for argument in arguments)


def _tiff_tag(opened: Image.Image, tag: Base):
    """Returns the value of a tag of a TIFF file, or None."""
    tags = getattr(opened, "tag_v2", {}) if opened.format == "TIFF" else {}
    return tags.get(tag)
