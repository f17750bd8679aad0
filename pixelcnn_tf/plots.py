"""Pictures: sheets of images, masks."""

import io
import math
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from pixelcnn_tf.files import replacing
from pixelcnn_tf.masks import get_mask

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


def save_picture(picture: np.ndarray, path: str | Path) -> None:
    """Write uint8 ``[height, width, 3]`` as PNG (or what the ending says), whole or not."""
    path = Path(path)
    kind = Image.registered_extensions().get(path.suffix.lower(), "PNG")
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format=kind)


def mask_panel(kernel_size: int | tuple[int, int] = 5, n_channels: int = 3) -> np.ndarray:
    """The colour-to-colour masks of types A and B, as a picture.

    One panel a pair of colours: rows are the colour being predicted, columns the colour
    that is looked at; A on the left, B on the right. Dark is 0, light is 1; the centre
    pixel, the one being predicted, is framed.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    names = COLOURS.get(n_channels, [f"channel {i}" for i in range(n_channels)])
    masks = {t: get_mask(kernel_size, n_channels, n_channels, t, n_channels) for t in "AB"}
    height, width = masks["A"].shape[:2]
    side = max(1.1, min(1.8, 7 / n_channels))
    half_width, tall = n_channels * side + 0.8, n_channels * side + 0.9  # inches
    figure = Figure(figsize=(2 * half_width, tall), dpi=100)
    halves = figure.subfigures(1, 2, wspace=0.02)
    for half, (mask_type, mask) in zip(halves, masks.items(), strict=True):
        half.suptitle(f"type {mask_type}", fontsize=13, y=1 - 0.1 / tall)
        axes = half.subplots(n_channels, n_channels, squeeze=False)
        half.subplots_adjust(0.6 / half_width, 0.4 / tall, 1 - 0.1 / half_width, 1 - 0.45 / tall)
        for out in range(n_channels):
            for seen in range(n_channels):
                axis = axes[out, seen]
                axis.imshow(mask[:, :, seen, out], cmap="gray", vmin=-0.15, vmax=1)
                axis.set_xticks(np.arange(width + 1) - 0.5, [])
                axis.set_yticks(np.arange(height + 1) - 0.5, [])
                axis.grid(color="0.5", linewidth=0.6)
                axis.tick_params(length=0)
                centre = (width // 2 - 0.5, height // 2 - 0.5)
                axis.add_patch(_frame(centre))
                if out == n_channels - 1:
                    axis.set_xlabel(f"sees {names[seen]}", fontsize=9)
                if seen == 0:
                    axis.set_ylabel(f"{names[out]} output", fontsize=9)
    return figure_pixels(figure)


def _frame(corner: tuple[float, float]):
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, fill=False, edgecolor="tab:red", linewidth=2)


def figure_pixels(figure: Figure) -> np.ndarray:
    """A matplotlib figure as uint8 ``[height, width, 3]``."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    return np.asarray(Image.open(buffer).convert("RGB"))
