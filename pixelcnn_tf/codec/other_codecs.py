"""Lossless image formats of other programs, at their highest effort, for comparison."""

import contextlib
import importlib
import io
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image, features

#: The formats and Pillow's options for them.
FORMATS = {
    "PNG": {"optimize": True},
    "WebP": {"lossless": True, "quality": 100, "method": 6, "exact": True},
    "JPEG XL": {"lossless": True, "effort": 9},
}


def available() -> list[str]:
    """Returns the formats that can be written here.

    Example:
        >>> "PNG" in available()
        True
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_jxl")
    has = {"PNG": True, "WebP": features.check("webp"), "JPEG XL": ".jxl" in _endings()}
    return [name for name in FORMATS if has[name]]


def _endings() -> dict[str, str]:
    Image.init()
    return Image.EXTENSION


def size_in(name: str, image: np.ndarray, n_values: int = 256) -> int:
    """Returns the size of a file in bytes.

    Args:
        name: one of ``available()``.
        image: uint8 ``[height, width, channels]``, one channel or three.
        n_values: 2 for binary images, which have one bit per pixel where the format can.

    Raises:
        ValueError: another number of channels.

    Example:
        >>> size_in("PNG", np.zeros([100, 100, 3], np.uint8)) < 1000
        True
    """
    if image.shape[-1] not in (1, 3):
        raise ValueError(f"images of {image.shape[-1]} channels: must be 1 or 3")
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if n_values == 2:
        picture = picture.point(lambda value: 255 * value)
        picture = picture.convert("1") if name == "PNG" else picture
    stream = io.BytesIO()
    picture.save(stream, name.replace(" ", "").replace("JPEGXL", "JXL"), **FORMATS[name])
    return stream.tell()


def comparison(images: Sequence[np.ndarray], n_values: int, n_bytes: int, seconds: float) -> str:
    """Returns a table of sizes and times.

    Args:
        images: uint8 ``[height, width, channels]`` each.
        n_values: values of a sub-pixel.
        n_bytes, seconds: the size of the compressed file, and the time that it took.

    Example:
        >>> print(comparison([np.zeros([8, 8, 1], np.uint8)], 256, 40, 0.5).splitlines()[1])
        pixelcnn-tf           40   5.0000      0.50
    """
    rows = [("pixelcnn-tf", n_bytes, seconds)]
    if images[0].shape[-1] in (1, 3):
        for name in available():
            start = time.perf_counter()
            size = sum(size_in(name, image, n_values) for image in images)
            rows.append((name, size, time.perf_counter() - start))
    n_dims = sum(image.size for image in images)
    lines = [f"{'format':<12} {'bytes':>11} {'bits/dim':>8} {'seconds':>9}"]
    lines += [
        f"{name:<12} {size:>11,} {8 * size / n_dims:>8.4f} {taken:>9.2f}"
        for name, size, taken in rows
    ]
    if "JPEG XL" not in available():
        lines.append("JPEG XL: pip install pillow-jxl-plugin")
    return "\n".join(lines)
