"""Plots of masks and receptive fields."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from pixelcnn_tf.layers.masks import get_mask

CHANNEL_NAMES = {1: ["grey"], 3: ["red", "green", "blue"]}


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
