"""Images from image files."""

import contextlib
import importlib
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress, say


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
        images: uint8 ``[n, height, width, channels]``.
        files: the files that they come from; with ``data.skip_broken``, those that can be read.

    Examples:
        >>> ReadImages(np.zeros([1, 8, 8, 3], np.uint8), [Path("a.png")]).files[0].name
        'a.png'
    """

    images: np.ndarray
    files: list[Path]


def read_images(files: list[Path], data: DataConfig) -> ReadImages:
    """Returns the images of files as one array.

    Of an animation, or a file of several pages, the first image is read. What is left out is
    printed.

    Args:
        files: at least one.
        data: the section of the config whose ``image_size``, ``fit``, ``sixteen_bit`` and
            ``skip_broken`` state how to read them.

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
    images: list[np.ndarray] = []
    read: list[Path] = []
    broken: dict[Path, str] = {}
    deep: list[Path] = []
    notes: Counter = Counter()
    for file in progress(f"reading {os.path.commonpath(files)}", len(files), "img", files):
        try:
            image = _read_image(file, data, notes)
        except _BrokenImage as error:
            broken[file] = str(error)
            continue
        except _DeepImage:
            deep.append(file)
            continue
        if images and image.shape[:2] != images[0].shape[:2]:
            (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
            raise UserError(
                f"{file}: is {height}x{width}, {read[0]} is {first_height}x{first_width}; set "
                "data.image_size to resize all of them"
            )
        images.append(image)
        read.append(file)
    if deep:
        raise BrokenImagesError(
            f"{_listed([str(file) for file in deep])}: {'have' if len(deep) > 1 else 'has'} more "
            "than 8 bits per channel; set data.sixteen_bit=scale to keep the upper 8"
        )
    _tell(files, broken, notes, data)
    if all(image.ndim == 2 for image in images):
        return ReadImages(np.stack(images)[..., None], read)
    # If one image is in colour, all are stored with three channels.
    in_colour = [i if i.ndim == 3 else np.stack([i] * 3, axis=-1) for i in images]
    return ReadImages(np.stack(in_colour), read)


def _tell(files: list[Path], broken: dict[Path, str], notes: Counter, data: DataConfig) -> None:
    """Raises UserError if there are broken files, unless they are skipped; prints what was done."""
    folder = os.path.commonpath(files)
    listed = _listed([f"{file} ({reason})" for file, reason in broken.items()])
    if broken and (not data.skip_broken or len(broken) == len(files)):
        what = "not a readable image" if len(broken) == 1 else "not readable images"
        raise BrokenImagesError(
            f"{folder if len(broken) > 1 else next(iter(broken))}: {what}: {listed}; "
            "repair or remove them, or set data.skip_broken=true"
        )
    if broken:
        say(f"{folder}: skipped {len(broken):,} broken files: {listed}")
    for note, n in (+notes).items():
        say(f"{folder}: {note} of {n:,} file{'s' if n > 1 else ''}")


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
        with _opened(file) as image:
            yield image
    except _BrokenImage as error:
        raise UserError(f"{file}: not a readable image ({error})") from None


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    if file.suffix.lower() in (".heic", ".heif"):
        try:
            importlib.import_module("pillow_heif").register_heif_opener()
        except ImportError:
            raise _BrokenImage("needs the package pillow-heif") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                yield image
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        reason = str(error).replace(f" '{file}'", "").rstrip(":") or type(error).__name__
        raise _BrokenImage(reason) from None


#: Pillow's modes of 8 bits per channel; others would lose values.
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}


def _read_image(file: Path, data: DataConfig, notes: Counter) -> np.ndarray:
    """Returns uint8 ``[height, width]`` for a greyscale file, else ``[height, width, 3]``.

    The background of transparent images is white. What is left out is counted in ``notes``.

    Raises:
        UserError: the file has another number of bits per channel, or cannot be scaled.
        _DeepImage, _BrokenImage: see there.
    """
    with _opened(file) as opened:
        notes["read the first image"] += getattr(opened, "n_frames", 1) > 1
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
        notes["kept the upper 8 bits per channel"] += sixteen
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
    return np.asarray(image)


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
