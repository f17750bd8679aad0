"""The pixels of one image file."""

import contextlib
import importlib
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.values import MOST_VALUES


@runtime_checkable
class ImageFile(Protocol):
    """What an image can be read from: the path of a file, or another object whose ``read_bytes``
    returns the contents of one and whose name is its ``str``.

    Examples:
        >>> isinstance(Path("a.png"), ImageFile)
        True
    """

    def read_bytes(self) -> bytes: ...


class BrokenImage(Exception):
    """The reason why a file is not a readable image.

    Examples:
        >>> str(BrokenImage("cut off"))
        'cut off'
    """


class DeepImage(Exception):
    """A file has more than 8 bits per channel, and ``data.sixteen_bit`` is null.

    Examples:
        >>> isinstance(DeepImage(), Exception)
        True
    """


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
        with bombs_are_errors(), _opened(file) as image:
            yield image
    except BrokenImage as error:
        raise UserError(f"{file}: not a readable image ({error})") from None


@contextlib.contextmanager
def bombs_are_errors() -> Iterator[None]:
    """Within the ``with`` block, images of a suspicious size cannot be opened. Not to be entered by
    several threads: they share the filters of warnings.

    Examples:
        >>> with bombs_are_errors():
        ...     pass
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextlib.contextmanager
def _opened(file: ImageFile) -> Iterator[Image.Image]:
    if isinstance(file, Path) and file.suffix.lower() in (".heic", ".heif"):
        try:
            importlib.import_module("pillow_heif").register_heif_opener()
        except ImportError:
            raise BrokenImage("needs the package pillow-heif") from None
    try:
        with Image.open(file if isinstance(file, Path) else io.BytesIO(file.read_bytes())) as image:
            yield image
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        reason = str(error).replace(f" '{file}'", "").rstrip(":") or type(error).__name__
        reason = re.sub(r" <_io.BytesIO .*>", "", reason)
        raise BrokenImage(reason) from None


#: Pillow's modes of 8 bits per channel; others would lose values.
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}


class DecodedImage(NamedTuple):
    """The pixels of a file, ``[height, width]`` if it is greyscale, else ``[height, width, 3]``,
    and what was left out. They are uint8, or uint16 of more than 8 bits per channel with
    ``data.sixteen_bit`` ``'keep'``.

    Examples:
        >>> DecodedImage(np.zeros([8, 8], np.uint8), ["read the first image"]).notes
        ['read the first image']
    """

    pixels: np.ndarray
    notes: list[str]


def decode(file: ImageFile, data: DataConfig) -> DecodedImage:
    """Returns the image of a file; the background of transparent images is white.

    Args:
        file: a path, or what stands for one.
        data: the section of the config that states how to read and resize it.

    Raises:
        UserError: the file has another number of bits per channel, or cannot be scaled.
        DeepImage, BrokenImage: see there.

    Examples:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> Image.new("L", (20, 10)).save(file)
        >>> decode(file, DataConfig()).pixels.shape
        (10, 20)
    """
    with _opened(file) as opened:
        notes = ["read the first image"] if getattr(opened, "n_frames", 1) > 1 else []
        sixteen = _has_sixteen_bits(opened)
        if sixteen and _tiff_tag(opened, Base.PlanarConfiguration) == 2:
            raise UserError(
                f"{file}: has 16 bits per channel, one channel after another, which Pillow does "
                "not read right; convert it"
            )
        if sixteen and data.sixteen_bit is None:
            raise DeepImage
        if sixteen and data.sixteen_bit == "keep":
            pixels = _deep_pixels(file, opened)
            if size := _new_size(file, pixels.shape[:2], data):
                pixels = _resized_deep(pixels, size, data.fit)
            return DecodedImage(pixels, notes)
        image = ImageOps.exif_transpose(opened)
        mode = image.mode
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
    if size := _new_size(file, (image.height, image.width), data):
        height, width = size
        resize = ImageOps.fit if data.fit == "crop" else Image.Image.resize
        image = resize(image, (width, height), Image.Resampling.LANCZOS)
    return DecodedImage(np.asarray(image), notes)


def _new_size(file: ImageFile, size: tuple[int, ...], data: DataConfig) -> tuple[int, int] | None:
    """Returns the (height, width) to which an image of ``size`` has to be resized, or None;
    UserError for one of codes."""
    if data.image_size is None or data.image_size == size:
        return None
    if data.values == "codes":
        raise UserError(
            f"{file}: is {size[0]}x{size[1]}; codes are not resized, as data.image_size "
            f"{list(data.image_size)} says"
        )
    return data.image_size


def _deep_pixels(file: ImageFile, opened: Image.Image) -> np.ndarray:
    """Returns all bits of an opened file, uint16."""
    if opened.mode.startswith("I"):
        pixels = np.asarray(ImageOps.exif_transpose(opened))
        if pixels.min() < 0:
            raise UserError(f"{file}: has values from {pixels.min()} up; must be from 0 up")
        return pixels.astype(np.uint16)
    if opened.format != "PNG" or opened.mode != "RGB":
        raise UserError(
            f"{file}: has more than 8 bits per channel in a {opened.format} file of mode "
            f"{opened.mode}, of which Pillow keeps 8; must be PNG in RGB, or in grey: convert it"
        )
    return tf.io.decode_png(file.read_bytes(), dtype=tf.uint16).numpy()


def _resized_deep(pixels: np.ndarray, size: tuple[int, int], fit: str) -> np.ndarray:
    """Returns uint16 pixels, resized to (height, width); channel by channel, as floats."""
    height, width = size
    resize = ImageOps.fit if fit == "crop" else Image.Image.resize
    channels = np.moveaxis(pixels.astype(np.float32).reshape(*pixels.shape[:2], -1), 2, 0)
    resized = [
        np.asarray(resize(Image.fromarray(channel), (width, height), Image.Resampling.LANCZOS))
        for channel in channels
    ]
    whole = np.stack(resized, axis=-1).round().clip(0, MOST_VALUES - 1).astype(np.uint16)
    return whole.reshape(height, width, *pixels.shape[2:])


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
