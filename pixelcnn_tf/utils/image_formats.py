"""The sizes of images in lossless formats of other programs."""

import contextlib
import importlib
import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, features


class Format(NamedTuple):
    """A lossless format, and how Pillow writes it.

    Attributes:
        pillow_name: its name in Pillow.
        options: options without which it is not lossless, or that cost no time.
        effort: further options that make smaller files, and take longer.
        most: the largest side of an image.

    Example:
        >>> FORMATS["WebP"].options
        {'lossless': True, 'exact': True}
    """

    pillow_name: str
    options: dict[str, Any]
    effort: Mapping[str, Any] = MappingProxyType({})
    most: int = 1 << 30


FORMATS = {
    "PNG": Format("PNG", {"optimize": True}),
    "WebP": Format(
        "WEBP", {"lossless": True, "exact": True}, {"quality": 100, "method": 6}, most=16_383
    ),
    "JPEG XL": Format("JXL", {"lossless": True}, {"effort": 9}),
}


def available() -> list[str]:
    """Returns the names of the formats that can be written here; JPEG XL needs the package
    pillow-jxl-plugin.

    Example:
        >>> "PNG" in available()
        True
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_jxl")
    Image.init()
    has = {"PNG": True, "WebP": features.check("webp"), "JPEG XL": "JXL" in Image.SAVE}
    return [name for name in FORMATS if has[name]]


def size_in(name: str, image: np.ndarray, n_values: int = 256, effort: bool = True) -> int | None:
    """Returns the size of an image in a format, in bytes; None if the format has no room for it.

    Args:
        name: one of ``available()``.
        image: uint8 or uint16 ``[height, width, channels]``. The channels are written side by side,
            in grey, unless they are one or three of 8 bits.
        n_values: 2 for binary images, which PNG writes with one bit per sub-pixel if they have one
            channel; above 256 only PNG has room for them, with 16 bits per sub-pixel.
        effort: whether to take time for a smaller file.

    Example:
        >>> size_in("PNG", np.zeros([100, 100, 3], np.uint8)) < 1000
        True
    """
    if n_values > 256 and name != "PNG":
        return None
    if image.shape[2] not in ((1, 3) if n_values <= 256 else (1,)):
        image = image.transpose(0, 2, 1).reshape(len(image), -1, 1)
    about = FORMATS[name]
    if max(image.shape) > about.most:
        return None
    if n_values == 2:
        image = 255 * image
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    if n_values == 2 and name == "PNG" and image.shape[2] == 1:
        picture = picture.convert("1", dither=Image.Dither.NONE)
    file = io.BytesIO()
    picture.save(file, about.pillow_name, **about.options, **(about.effort if effort else {}))
    return file.tell()
