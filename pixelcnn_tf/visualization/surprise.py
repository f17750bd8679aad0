"""Surprise maps: how many bits each pixel of an image costs, as heat maps with one colour scale."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pixelcnn_tf.utils.progress import progress
from pixelcnn_tf.visualization.grids import save_image
from pixelcnn_tf.visualization.plots import figure_pixels

COLOUR_MAP = "magma"


def surprise_panel(
    images: np.ndarray,
    maps: np.ndarray,
    n_values: int = 256,
    top: float | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 1,
    colours: np.ndarray | None = None,
) -> np.ndarray:
    """Draws images, each with its surprise map at its right, and the colour bar of all maps.

    Args:
        images: integers ``[n, height, width, channels]``, values 0 to ``n_values - 1``. Channels
            other than one or three are shown as their mean, in grey.
        maps: float ``[n, height, width]``, bits per pixel, as ``surprise_maps`` returns.
        n_values: 2 for binary images, 256 for ordinary ones.
        top: bits per pixel at the upper end of the colour scale; pixels above it have the colour
            of the end. By default the largest of ``maps``, but at most 8 bits per sub-pixel, those
            of a uniform distribution over 256 values (more for more values), so that one image of
            noise does not make all others dark.
        titles: a text above each image.
        columns: images per row.
        colours: as in ``image_grid``.

    Returns:
        uint8 ``[panel height, panel width, 3]``.

    Example:

    >>> from pixelcnn_tf.visualization.surprise import surprise_panel
    >>> images, maps = np.zeros([1, 8, 8, 1], np.uint8), np.ones([1, 8, 8])
    >>> panel = surprise_panel(images, maps)
    >>> panel.dtype.name, panel.shape[2]
    ('uint8', 3)
    """
    n, height, width, channels = images.shape
    shown = images.astype(float) / (n_values - 1) if colours is None else colours[images[..., 0]]
    if channels not in (1, 3):
        shown = shown.mean(axis=-1, keepdims=True)
    top = _top(maps, channels, n_values) if top is None else top
    norm = Normalize(0, top)
    columns = min(columns, n)
    rows, side = -(-n // columns), 1.8  # inches
    cell_height = side * min(2.0, max(0.5, height / width)) + (0.25 if titles else 0.08)
    figure = Figure(figsize=(2 * side * columns + 1.0, rows * cell_height + 0.15), dpi=100)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02)
    axes = np.atleast_2d(figure.subplots(rows, 2 * columns, squeeze=False))
    for axis in axes.flat:
        axis.set_axis_off()
    for i in range(n):
        left, right = axes[i // columns, 2 * (i % columns) : 2 * (i % columns) + 2]
        left.imshow(np.repeat(shown[i], 3 // shown.shape[-1], axis=-1), vmin=0, vmax=1)
        right.imshow(maps[i], cmap=COLOUR_MAP, norm=norm)
        if titles:
            left.set_title(titles[i], fontsize=9, loc="left")
    bar = figure.colorbar(
        ScalarMappable(norm, COLOUR_MAP),
        ax=axes,
        fraction=0.05,
        extend="max" if maps.max() > top else "neither",
    )
    bar.set_label("bits per pixel")
    return figure_pixels(figure)


def _top(maps: np.ndarray, channels: int, n_values: int) -> float:
    """Returns the upper end of the colour scale, in bits per pixel."""
    return min(float(maps.max()), max(8.0, math.log2(n_values)) * channels)


def map_files(names: Sequence[str]) -> list[str]:
    """Returns a file name for the map of each image, in the order of the images.

    Example:

    >>> from pixelcnn_tf.visualization.surprise import map_files
    >>> map_files(["cats/a b.jpg", "more.npz[7]"])
    ['0_a_b.png', '1_more.png']
    """
    digits = len(str(len(names) - 1))
    stems = [re.sub(r"[^\w.-]+", "_", Path(name).stem)[:80] for name in names]
    return [f"{i:0{digits}d}_{stem}.png" for i, stem in enumerate(stems)]


def save_surprise_maps(
    folder: Path,
    files: Sequence[str],
    images: np.ndarray,
    maps: np.ndarray,
    titles: Sequence[str],
    n_values: int = 256,
    colours: np.ndarray | None = None,
) -> None:
    """Writes a PNG file for each image, see ``surprise_panel``, with one colour scale for all.

    Args:
        folder: an existing folder.
        files: the names of the files in it, one per image.
        images, maps, titles, n_values, colours: as in ``surprise_panel``.

    Raises:
        OSError: a file cannot be written.

    Example:

    >>> import pathlib, tempfile
    >>> from pixelcnn_tf.visualization.surprise import save_surprise_maps
    >>> folder, images = pathlib.Path(tempfile.mkdtemp()), np.zeros([1, 8, 8, 1], np.uint8)
    >>> save_surprise_maps(folder, ["a.png"], images, np.ones([1, 8, 8]), ["zeros"])
    >>> (folder / "a.png").is_file()
    True
    """
    top = _top(maps, images.shape[-1], n_values)
    for i, file in enumerate(progress("drawing", len(files), "map", files)):
        one = slice(i, i + 1)
        panel = surprise_panel(images[one], maps[one], n_values, top, titles[one], colours=colours)
        save_image(panel, folder / file)
