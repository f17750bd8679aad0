"""Pictures: sheets of images, masks, receptive fields."""

import io
import math
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from pixelcnn_tf.layers.masks import get_mask
from pixelcnn_tf.utils.atomic_files import replacing

COLOURS = {1: ["grey"], 3: ["red", "green", "blue"]}


def image_sheet(images: np.ndarray, n_values: int = 256, columns: int | None = None) -> np.ndarray:
    """Many small images as one picture, enlarged so that pixels can be seen.

    Args:
        images: uint8 ``[n, height, width, channels]``, values 0 to ``n_values - 1``.
            Channels other than 1 or 3 are shown beside each other in grey.
        n_values: 2 for binary images, 256 for ordinary ones.
        columns: images a row; about square if not given.

    Returns:
        uint8 ``[sheet height, sheet width, 3]``.
    """
    images = np.round(images * (255 / (n_values - 1))).astype(np.uint8)
    n, height, width, channels = images.shape
    if channels not in (1, 3):
        images = images.transpose(0, 1, 3, 2).reshape(n, height, width * channels, 1)
        width *= channels
    columns = min(n, columns or math.ceil(math.sqrt(n * height / width)))
    rows = math.ceil(n / columns)
    scale = max(1, round(640 / (columns * (width + 1))))
    gap = max(1, scale // 2)
    large = images.repeat(scale, axis=1).repeat(scale, axis=2)
    cell_height, cell_width = height * scale + gap, width * scale + gap
    sheet = np.full((rows * cell_height + gap, columns * cell_width + gap, 3), 255, np.uint8)
    for i, image in enumerate(large):
        top, left = (i // columns) * cell_height + gap, (i % columns) * cell_width + gap
        sheet[top : top + height * scale, left : left + width * scale] = image
    return sheet


def completion_sheet(
    originals: np.ndarray, hidden: np.ndarray, completions: np.ndarray, n_values: int = 256
) -> np.ndarray:
    """A row for each image: original, what of it was shown, completions.

    Args:
        originals: uint8 ``[n, height, width, channels]``, values 0 to ``n_values - 1``.
        hidden: boolean ``[height, width]``; hidden pixels are shown as a grey chequerboard.
        completions: uint8 ``[n, k, height, width, channels]``.
        n_values: as in ``image_sheet``.

    Returns:
        uint8 ``[sheet height, sheet width, 3]``.
    """
    rows = np.concatenate([originals[:, None], originals[:, None], completions], axis=1)
    rows = np.round(rows * (255 / (n_values - 1))).astype(np.uint8)
    chequers = 105 + 45 * (np.indices(hidden.shape).sum(axis=0) % 2)
    rows[:, 1, hidden] = chequers[hidden][:, None]
    return image_sheet(rows.reshape(-1, *rows.shape[2:]), columns=rows.shape[1])


def save_picture(picture: np.ndarray, path: str | Path) -> None:
    """Write uint8 ``[height, width, 3]`` as a PNG file, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def mask_panel(
    kernel_size: int | tuple[int, int] = 5,
    n_channels: int = 3,
    kernel_size_b: int | tuple[int, int] | None = None,
) -> np.ndarray:
    """The colour-to-colour masks of types A and B, as a picture.

    One block of pixels a pair of colours: rows are the colour being predicted, columns the
    colour that is looked at; A on the left, B on the right. Dark is 0, light is 1; the
    centre pixel, the one being predicted, is framed.

    Args:
        kernel_size: of type A, and of type B if ``kernel_size_b`` is not given.
        n_channels: colours a pixel.
        kernel_size_b: of type B.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    names = COLOURS.get(n_channels, [str(i) for i in range(n_channels)])
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
    """A mask of one feature a colour as one array of blocks, one pixel of NaN between them.

    Block ``(output, seen)`` is ``mask[:, :, seen, output]``.
    """
    height, width, n_seen, n_out = mask.shape
    blocks = np.pad(mask, [(0, 1), (0, 1), (0, 0), (0, 0)], constant_values=np.nan)
    blocks = blocks.transpose(3, 0, 2, 1).reshape(n_out * (height + 1), n_seen * (width + 1))
    return blocks[:-1, :-1]


def _draw_grid(axis, n_channels: int, height: int, width: int) -> None:
    """Thin lines around every pixel of every block."""
    lines = []
    for block in range(n_channels):
        for other in range(n_channels):
            top, left = block * (height + 1) - 0.5, other * (width + 1) - 0.5
            lines += [[(left, top + i), (left + width, top + i)] for i in range(height + 1)]
            lines += [[(left + i, top), (left + i, top + height)] for i in range(width + 1)]
    axis.add_collection(LineCollection(lines, colors="0.5", linewidths=0.6, zorder=1))


def receptive_field_panel(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Receptive fields side by side, as a picture.

    The darker a pixel, the more it moves the centre, on a logarithmic scale from the least to
    the most of each field; pixels that do not reach it are white. The centre is framed.

    Args:
        fields: by title, floats ``[height, width, channels]`` from ``receptive_field``, all of
            one size.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    height, width = next(iter(fields.values())).shape[:2]
    side = max(2.6, min(4.5, 14 / len(fields)))
    tall = side * height / width
    figure = Figure(figsize=(side * len(fields), tall + 0.4), dpi=100)
    figure.subplots_adjust(0.01, 0.02, 0.99, 1 - 0.4 / (tall + 0.4), wspace=0.05)
    panels = figure.subplots(1, len(fields), squeeze=False)[0]
    for axis, (title, field) in zip(panels, fields.items(), strict=True):
        reach = field.sum(axis=-1)
        seen = reach > 0
        shown = np.full(reach.shape, np.nan)
        if seen.any():
            logs = np.log(reach[seen])
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
    """A matplotlib figure as uint8 ``[height, width, 3]``."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    return np.asarray(Image.open(buffer).convert("RGB"))
