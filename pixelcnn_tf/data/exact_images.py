"""Images as they are, for lossless compression: what cannot be kept is refused, not converted."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.data.file_search import IMAGE_ENDINGS, LEVEL_ENDING, find_images
from pixelcnn_tf.data.image_decoding import BrokenImage, DeepImage, decode, opened_image
from pixelcnn_tf.data.sources import check_bits, load_images
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import progress, say


class ExactImages(NamedTuple):
    """Images of any sizes.

    Attributes:
        images: uint8 or uint16 ``[height, width, channels]`` each.
        names: the paths of their files without the endings, relative to the folder that was given;
            none for those of arrays.
        labels: int32 ``[n]``, of arrays that have them; None otherwise.

    Example:
        >>> ExactImages([np.zeros([8, 8, 3], np.uint8)], ["a"]).labels is None
        True
    """

    images: Sequence[np.ndarray]
    names: list[str]
    labels: np.ndarray | None = None


def read_exact(
    paths: Sequence[str | Path],
    n_channels: int,
    n_values: int,
    labels: bool = False,
    data: DataConfig | None = None,
) -> ExactImages:
    """Reads images whose pixels can be written again as they are.

    Greyscale images are given three equal channels if the model has three. If it has two values,
    image files must be black and white, which become 0 and 1.

    Args:
        paths: image files and folders of image files of any sizes; or one other file or folder that
            ``data.source`` may be, whose test images, or else training images, are taken.
        n_channels: channels of the model.
        n_values: values of the model's sub-pixels.
        labels: whether to read labels, which array files have.
        data: of the run of the model, which says whether its values are codes.

    Raises:
        UserError: no such file; not an image; more than 8 bits, transparency, colours or shades
            that the model cannot represent; or as ``check_bits``.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name, size in (("a.png", (20, 10)), ("b.png", (7, 9))):
        ...     Image.new("RGB", size).save(folder / name)
        >>> [image.shape for image in read_exact([folder], n_channels=3, n_values=256).images]
        [(10, 20, 3), (9, 7, 3)]
    """
    given = [Path(os.path.expanduser(path)) for path in paths]
    for path in given:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
    if len(given) == 1 and given[0].suffix.lower() == LEVEL_ENDING:
        raise UserError(f"{given[0]}: is text; must be images: save levels as an array file")
    if labels and (len(given) > 1 or _holds_files(given[0])):
        raise UserError(
            f"{given[0]}: the model is class-conditional, and only array files have labels; add "
            "--label"
        )
    if len(given) == 1 and not _holds_files(given[0]):
        loaded = load_images(DataConfig(source=str(given[0])), labels, hold_out=False)
        check_bits(loaded.test, given[0], data or DataConfig(), n_values)
        if labels and loaded.test_labels is None:
            raise UserError(
                f"{given[0]}: has no labels, and the model is class-conditional; add --label"
            )
        if loaded.train is not loaded.test:
            say(f"{given[0]}: took its {len(loaded.test):,} test images, no others")
        images = _fitting(np.asarray(loaded.test[:]), given[0], n_channels, n_values)
        return ExactImages(list(images), [], loaded.test_labels)
    files = dict(_files(given))
    arrays = []
    for file in progress("reading", len(files), "img", files):
        pixels = _pixels(file, n_values)
        check_bits(pixels, file, data or DataConfig(), n_values)
        if n_values == 2 and np.isin(pixels, (0, 255)).all():
            pixels = pixels // 255
        elif n_values == 2:
            raise UserError(f"{file}: must be black and white, as the images of the model")
        arrays.append(_fitting(pixels, file, n_channels, n_values))
    return ExactImages(arrays, _distinct(list(files.values())))


def _holds_files(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() in IMAGE_ENDINGS


def _files(paths: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yields the image files, and their names relative to the folders that were given."""
    for path in paths:
        if path.is_dir():
            yield from ((file, file.relative_to(path)) for file in find_images(path))
        elif _holds_files(path):
            yield path, Path(path.name)
        else:
            raise UserError(
                f"{path}: is no image file; give image files and folders, or one other file alone"
            )


def _distinct(names: list[Path]) -> list[str]:
    """Returns the names without their endings, except where two would be the same."""
    short = [name.with_suffix("").as_posix() for name in names]
    counts = Counter(short)
    short = [
        name.as_posix() if counts[cut] > 1 else cut for name, cut in zip(names, short, strict=True)
    ]
    if len(set(short)) < len(short):
        name, _ = Counter(short).most_common(1)[0]
        raise UserError(
            f"{name}: two images would have this name; give their folder, or rename one"
        )
    return short


def _pixels(file: Path, n_values: int) -> np.ndarray:
    with opened_image(file) as image:
        if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
            raise UserError(f"{file}: has transparent pixels, which are not kept; remove them")
        if getattr(image, "n_frames", 1) > 1:
            raise UserError(f"{file}: has {image.n_frames} images, of which one would be kept")  # pyright: ignore
        if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
            raise UserError(f"{file}: has colours of mode {image.mode}; must be RGB: convert it")
    try:
        return decode(file, DataConfig(sixteen_bit="keep" if n_values > 256 else None)).pixels
    except BrokenImage as error:
        raise UserError(f"{file}: not a readable image ({error})") from None
    except DeepImage:
        raise UserError(
            f"{file}: has more than 8 bits per channel, which the model does not keep; convert it"
        ) from None


def _fitting(pixels: np.ndarray, file: Path, n_channels: int, n_values: int) -> np.ndarray:
    """Returns the pixels ``[..., height, width, channels]`` with the channels and values of the
    model."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[-1] == 1 and n_channels == 3:
        pixels = pixels.repeat(3, axis=-1)
    if pixels.shape[-1] != n_channels:
        raise UserError(
            f"{file}: has {number_of(pixels.shape[-1], 'channel')}; the model has {n_channels}"
        )
    if pixels.max() >= n_values:
        raise UserError(
            f"{file}: has values from {pixels.min()} to {pixels.max()}; those of the model are 0 "
            f"to {n_values - 1}"
        )
    return pixels
