"""Image grids and image files."""

import math
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.values import eight_bits

#: The approximate width that image grids are enlarged to, in pixels.
GRID_WIDTH = 640


def image_grid(
    images: np.ndarray,
    n_values: int = 256,
    columns: int | None = None,
    colours: np.ndarray | None = None,
) -> np.ndarray:
    """Arranges many small images in a grid, enlarged so that pixels can be seen.

    Args:
        images: integers ``[n, height, width, channels]``, values 0 to ``n_values - 1``, which are
            scaled to 8 bits. Channels other than one or three are shown side by side in grey.
        n_values: 2 for binary images, 256 for ordinary ones.
        columns: images per row; by default the grid is about square.
        colours: of the values of images of one channel, uint8 ``[n_values, 3]``; None for greys.

    Returns:
        uint8 ``[grid height, grid width, 3]``.

    Example: two rows of three images of 100x100 pixels, with gaps of one pixel.

    >>> from pixelcnn_tf.visualization.grids import image_grid
    >>> image_grid(np.zeros([6, 100, 100, 1], np.uint8), columns=3).shape
    (403, 604, 3)
    """
    return arranged(drawn(images, n_values, colours), 255, columns)


def arranged(images: np.ndarray, white: int, columns: int | None = None) -> np.ndarray:
    """Arranges images in a grid as ``image_grid`` does, with their values as they are.

    Args:
        images: uint8 or uint16 ``[n, height, width, channels]``.
        white: the value between the images.
        columns: as in ``image_grid``.

    Returns:
        ``[grid height, grid width, 3]``, of the dtype of the images.

    Example:

    >>> from pixelcnn_tf.visualization.grids import arranged
    >>> arranged(np.full([1, 200, 700, 1], 4000, np.uint16), white=4095)[0:2, 1, 0].tolist()
    [4095, 4000]
    """
    n, height, width, channels = images.shape
    if channels not in (1, 3):
        images = images.transpose(0, 1, 3, 2).reshape(n, height, width * channels, 1)
        width *= channels
    n_columns = min(n, columns or math.ceil(math.sqrt(n * height / width)))
    rows = math.ceil(n / n_columns)
    scale = max(1, round(GRID_WIDTH / (n_columns * (width + 1))))
    gap = max(1, scale // 2)
    large = images.repeat(scale, axis=1).repeat(scale, axis=2)
    cell_height, cell_width = height * scale + gap, width * scale + gap
    grid = np.full((rows * cell_height + gap, n_columns * cell_width + gap, 3), white, images.dtype)
    for i, image in enumerate(large):
        top, left = (i // n_columns) * cell_height + gap, (i % n_columns) * cell_width + gap
        grid[top : top + height * scale, left : left + width * scale] = image
    return grid


def drawn(images: np.ndarray, n_values: int = 256, colours: np.ndarray | None = None) -> np.ndarray:
    """Returns images as they are drawn, with values from 0 to 255.

    Args:
        images: integers ``[..., channels]``, values 0 to ``n_values - 1``.
        n_values, colours: as in ``image_grid``.

    Returns:
        uint8 ``[..., channels]``; ``[..., 3]`` with ``colours``.

    Example:

    >>> from pixelcnn_tf.visualization.grids import drawn
    >>> drawn(np.array([[[[0], [1]]]]), n_values=2).tolist()
    [[[[0], [255]]]]
    """
    if colours is not None:
        return colours[images[..., 0]]
    return eight_bits(images, n_values)


def completion_grid(
    originals: np.ndarray,
    hidden: np.ndarray,
    completions: np.ndarray,
    n_values: int = 256,
    colours: np.ndarray | None = None,
) -> np.ndarray:
    """Arranges completions in a grid with one row per image.

    A row consists of the original, the part of it that the model has seen, and the completions.

    Args:
        originals: integers ``[n, height, width, channels]``, values 0 to ``n_values - 1``.
        hidden: boolean ``[height, width]``; hidden pixels are drawn as a grey chequerboard.
        completions: integers ``[n, k, height, width, channels]``.
        n_values, colours: as in ``image_grid``.

    Returns:
        uint8 ``[grid height, grid width, 3]``.

    Example: two images with three completions each.

    >>> from pixelcnn_tf.visualization.grids import completion_grid
    >>> originals, hidden = np.zeros([2, 8, 8, 1], np.uint8), np.eye(8, dtype=bool)
    >>> completion_grid(originals, hidden, np.zeros([2, 3, 8, 8, 1], np.uint8)).shape
    (245, 602, 3)
    """
    rows = np.concatenate([originals[:, None], originals[:, None], completions], axis=1)
    rows = drawn(rows, n_values, colours)
    rows[:, 1] = chequered(rows[:, 1], hidden)
    return image_grid(rows.reshape(-1, *rows.shape[2:]), columns=rows.shape[1])


def condition_grid(
    condition: np.ndarray,
    samples: np.ndarray,
    truth: np.ndarray | None = None,
    n_values: int = 256,
    n_codes: int | None = None,
    colours: np.ndarray | None = None,
) -> np.ndarray:
    """Arranges conditional samples in a grid with one row per condition.

    A row consists of the condition, enlarged to the size of the images, the samples, and the image
    that the condition belongs to.

    Args:
        condition: integers ``[n, height, width, channels]``; of channels other than one or three,
            the first is shown.
        samples: uint8 ``[n, k, height, width, channels]``, values 0 to ``n_values - 1``.
        truth: uint8 ``[n, height, width, channels]``; None if it is not known.
        n_values, colours: as in ``image_grid``, for the samples and ``truth``.
        n_codes: number of codes of a condition; None for values 0 to 255.

    Returns:
        uint8 ``[grid height, grid width, 3]``.

    Example: two conditions with three samples each.

    >>> from pixelcnn_tf.visualization.grids import condition_grid
    >>> small, samples = np.zeros([2, 4, 4, 1], np.uint8), np.zeros([2, 3, 8, 8, 3], np.uint8)
    >>> condition_grid(small, samples, samples[:, 0]).shape
    (245, 602, 3)
    """
    height, width = samples.shape[2:4]
    factor = height // condition.shape[1]
    shown = eight_bits(condition, n_codes or 256)
    shown = shown.repeat(factor, axis=1).repeat(factor, axis=2)
    if shown.shape[-1] not in (1, 3):
        shown = shown[..., :1]
    parts = [samples] if truth is None else [samples, truth[:, None]]
    images = drawn(np.concatenate(parts, axis=1), n_values, colours)
    if images.shape[-1] not in (1, 3):
        images = images[..., :1]
    shown, images = (np.broadcast_to(x, (*x.shape[:-1], 3)) for x in (shown, images))
    rows = np.concatenate([shown[:, None], images], axis=1)
    return image_grid(rows.reshape(-1, height, width, 3), columns=rows.shape[1])


def chequered(images: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Returns images with a grey chequerboard in place of hidden pixels.

    Args:
        images: uint8 ``[n, height, width, channels]``, values 0 to 255.
        hidden: boolean ``[height, width]``.

    Example:

    >>> from pixelcnn_tf.visualization.grids import chequered
    >>> chequered(np.zeros([1, 2, 2, 1], np.uint8), np.eye(2, dtype=bool))[0, ..., 0].tolist()
    [[105, 0], [0, 105]]
    """
    chequers = 105 + 45 * (np.indices(hidden.shape).sum(axis=0) % 2)
    return np.where(hidden[..., None], chequers[..., None], images).astype(np.uint8)


def save_image(image: np.ndarray, path: str | Path) -> None:
    """Writes an image as a PNG file; a file that exists is replaced.

    Args:
        image: uint8 or uint16 ``[height, width]``, ``[height, width, 1]`` (grey) or
            ``[height, width, 3]``; a file of uint16 has 16 bits per channel.
        path: the file.

    Raises:
        OSError: the file cannot be written.

    Example:

    >>> import pathlib, tempfile
    >>> from pixelcnn_tf.visualization.grids import save_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_image(np.zeros([4, 4, 3], np.uint8), pathlib.Path(folder, "black.png"))
    """
    with replacing(path) as temporary:
        if image.dtype == np.uint16:  # in colour, Pillow writes 8 bits
            image = image[..., None] if image.ndim == 2 else image
            temporary.write_bytes(tf.io.encode_png(image).numpy())
        else:
            image = image[..., 0] if image.shape[2:] == (1,) else image
            Image.fromarray(image).save(temporary, format="PNG")
