"""Image grids, plots of masks and receptive fields, and image files."""

import io
import math
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from pixelcnn_tf.layers.masks import get_mask
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.values import eight_bits

CHANNEL_NAMES = {1: ["grey"], 3: ["red", "green", "blue"]}

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

    >>> from pixelcnn_tf.visualization.plots import image_grid
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

    >>> from pixelcnn_tf.visualization.plots import arranged
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

    >>> from pixelcnn_tf.visualization.plots import drawn
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

    >>> from pixelcnn_tf.visualization.plots import completion_grid
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
    drawn: np.ndarray,
    truth: np.ndarray | None = None,
    n_values: int = 256,
    n_codes: int | None = None,
) -> np.ndarray:
    """Arranges conditional samples in a grid with one row per condition.

    A row consists of the condition, enlarged to the size of the images, the samples, and the image
    that the condition belongs to.

    Args:
        condition: integers ``[n, height, width, channels]``; of channels other than one or three,
            the first is shown.
        drawn: uint8 ``[n, k, height, width, channels]``, values 0 to ``n_values - 1``.
        truth: uint8 ``[n, height, width, channels]``; None if it is not known.
        n_values: as in ``image_grid``.
        n_codes: number of codes of a condition; None for values 0 to 255.

    Returns:
        uint8 ``[grid height, grid width, 3]``.

    Example: two conditions with three samples each.

    >>> from pixelcnn_tf.visualization.plots import condition_grid
    >>> small, drawn = np.zeros([2, 4, 4, 1], np.uint8), np.zeros([2, 3, 8, 8, 3], np.uint8)
    >>> condition_grid(small, drawn, drawn[:, 0]).shape
    (245, 602, 3)
    """
    height, width, channels = drawn.shape[2:]
    factor = height // condition.shape[1]
    shown = np.round(condition * (255 / ((n_codes or 256) - 1))).astype(np.uint8)
    shown = shown.repeat(factor, axis=1).repeat(factor, axis=2)
    if shown.shape[-1] not in (1, 3):
        shown = shown[..., :1]
    parts = [drawn] if truth is None else [drawn, truth[:, None]]
    images = np.concatenate(parts, axis=1) * (255 / (n_values - 1))
    images = np.round(images).astype(np.uint8)
    if channels not in (1, 3):
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

    >>> from pixelcnn_tf.visualization.plots import chequered
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
    >>> from pixelcnn_tf.visualization.plots import save_image
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


def mask_panel(
    kernel_size: int | tuple[int, int] = 5,
    n_channels: int = 3,
    kernel_size_b: int | tuple[int, int] | None = None,
) -> np.ndarray:
    """Draws the channel-to-channel masks of types A (left) and B (right).

    There is one block of pixels per pair of channels: the row is the predicted channel, the column
    the channel that the kernel sees. Dark is 0, light is 1; the centre, the predicted pixel, is
    framed.

    Args:
        kernel_size: the kernel size of type A, one side or (height, width).
        n_channels: channels per pixel.
        kernel_size_b: the kernel size of type B; by default that of type A.

    Returns:
        uint8 ``[panel height, panel width, 3]``.

    Source: arXiv 1601.06759, section 3.4 and figure 2 (right).

    Example:

    >>> from pixelcnn_tf.visualization.plots import mask_panel
    >>> panel = mask_panel(5, n_channels=3)
    >>> panel.dtype.name, panel.shape[2]
    ('uint8', 3)
    """
    names = CHANNEL_NAMES.get(n_channels, [str(i) for i in range(n_channels)])
    side = max(0.35, min(1.8, 7 / n_channels))
    half_width, tall = n_channels * side + 0.9, n_channels * side + 1.0  # inches
    figure = Figure(figsize=(2 * half_width, tall), dpi=100)
    axes = figure.subplots(1, 2)
    figure.subplots_adjust(0.7 / half_width / 2, 0.5 / tall, 1 - 0.05 / half_width, 1 - 0.4 / tall)
    for axis, mask_type, size in zip(axes, "AB", (kernel_size, kernel_size_b), strict=True):
        mask = get_mask(size or kernel_size, n_channels, n_channels, mask_type, n_channels)
        height, width = mask.shape[:2]
        axis.imshow(mask_blocks(mask), cmap="gray", vmin=-0.15, vmax=1, aspect="auto")
        rows = np.arange(n_channels) * (height + 1) + height // 2
        columns = np.arange(n_channels) * (width + 1) + width // 2
        axis.set_yticks(rows, names)
        axis.set_xticks(columns, names)
        axis.set_ylabel("output")
        axis.set_xlabel("sees")
        axis.set_title(f"type {mask_type}, {height}x{width}")
        axis.tick_params(length=0)
        axis.set_frame_on(False)
        axis.set_xlim(-0.6, n_channels * (width + 1) - 1.4)
        axis.set_ylim(n_channels * (height + 1) - 1.4, -0.6)
        corners = [(x - 0.5, y - 0.5) for x in columns for y in rows]
        frames = [Rectangle(corner, 1, 1) for corner in corners]
        style = {"facecolor": "none", "edgecolor": "tab:red", "linewidth": 2}
        axis.add_collection(PatchCollection(frames, **style))
        _draw_grid(axis, n_channels, height, width)
    return figure_pixels(figure)


def mask_blocks(mask: np.ndarray) -> np.ndarray:
    """Arranges a mask in blocks, with one pixel of NaN between them.

    Args:
        mask: ``[height, width, n_channels, n_channels]``, from ``get_mask`` with one feature per
            channel.

    Returns:
        float ``[n_channels * (height + 1) - 1, n_channels * (width + 1) - 1]``, whose block
        ``(output, input)`` is ``mask[:, :, input, output]``.

    Example:

    >>> from pixelcnn_tf.visualization.plots import mask_blocks
    >>> mask_blocks(pixelcnn_tf.get_mask(3, 3, 3, "A")).shape
    (11, 11)
    """
    height, width, n_seen, n_out = mask.shape
    blocks = np.pad(mask, [(0, 1), (0, 1), (0, 0), (0, 0)], constant_values=np.nan)
    blocks = blocks.transpose(3, 0, 2, 1).reshape(n_out * (height + 1), n_seen * (width + 1))
    return blocks[:-1, :-1]


def _draw_grid(axis: Axes, n_channels: int, height: int, width: int) -> None:
    """Draws thin lines around every pixel of every block."""
    lines = []
    for block in range(n_channels):
        for other in range(n_channels):
            top, left = block * (height + 1) - 0.5, other * (width + 1) - 0.5
            lines += [[(left, top + i), (left + width, top + i)] for i in range(height + 1)]
            lines += [[(left + i, top), (left + i, top + height)] for i in range(width + 1)]
    axis.add_collection(LineCollection(lines, colors="0.5", linewidths=0.6, zorder=1))


def receptive_field_panel(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Draws receptive fields side by side.

    The darker a pixel, the more it influences the centre, on a logarithmic scale from the
    smallest to the largest influence within each field; pixels without influence are white. The
    centre is framed.

    Args:
        fields: by title, floats ``[height, width, channels]`` from ``receptive_field``, all of
            the same size.

    Returns:
        uint8 ``[panel height, panel width, 3]``.

    Example:

    >>> from pixelcnn_tf.visualization.plots import receptive_field_panel
    >>> fields = {"left": np.eye(5)[:, :, None], "right": np.ones([5, 5, 1])}
    >>> receptive_field_panel(fields).shape[2]
    3
    """
    height, width = next(iter(fields.values())).shape[:2]
    side = max(2.6, min(4.5, 14 / len(fields)))
    tall = side * height / width
    figure = Figure(figsize=(side * len(fields), tall + 0.4), dpi=100)
    figure.subplots_adjust(0.01, 0.02, 0.99, 1 - 0.4 / (tall + 0.4), wspace=0.05)
    panels = figure.subplots(1, len(fields), squeeze=False)[0]
    for axis, (title, field) in zip(panels, fields.items(), strict=True):
        influence = field.sum(axis=-1)
        seen = influence > 0
        shown = np.full(influence.shape, np.nan)
        if seen.any():
            logs = np.log(influence[seen])
            shown[seen] = (logs - logs.min()) / max(np.ptp(logs), 1e-9)
        axis.imshow(shown, cmap="Blues", vmin=-0.6, vmax=1.1)
        axis.set_title(f"{title}: {int(seen.sum())} pixels", fontsize=10)
        axis.set_xticks(np.arange(width + 1) - 0.5, [])
        axis.set_yticks(np.arange(height + 1) - 0.5, [])
        axis.grid(color="0.85", linewidth=0.5)
        axis.tick_params(length=0)
        corner = (width // 2 - 0.5, height // 2 - 0.5)
        axis.add_patch(Rectangle(corner, 1, 1, facecolor="none", edgecolor="tab:red", lw=2))
    return figure_pixels(figure)


def figure_pixels(figure: Figure) -> np.ndarray:
    """Renders a matplotlib figure as uint8 ``[height, width, 3]``.

    Example:

    >>> from pixelcnn_tf.visualization.plots import figure_pixels
    >>> figure_pixels(Figure(figsize=(2, 1), dpi=50)).shape
    (50, 100, 3)
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    return np.asarray(Image.open(buffer).convert("RGB"))
