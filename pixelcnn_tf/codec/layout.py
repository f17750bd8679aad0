"""Which parts of which images are coded together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pixelcnn_tf.codec.container import Container

Size = tuple[int, int]


class Tile(NamedTuple):
    """A part of an image that is coded by itself.

    Attributes:
        image: index of the image.
        rows, columns: the part, the whole image by default.

    Example:
        >>> images = np.zeros([3, 8, 8, 1])
        >>> Tile(2, slice(0, 4), slice(4, 8)).of(images).shape
        (4, 4, 1)
    """

    image: int
    rows: slice = slice(None)
    columns: slice = slice(None)

    def of(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Returns this part of its image, as a view."""
        return images[self.image][self.rows, self.columns]


def image_sizes(container: Container) -> list[Size]:
    """Returns the (height, width) of every image.

    Example:
        >>> image_sizes(Container(b"", "", True, 3, n_images=2, sizes=[(8, 9)]))
        [(8, 9), (8, 9)]
    """
    if container.size_of is None:
        return container.sizes * container.n_images
    return [container.sizes[i] for i in container.size_of]


def n_pixels(container: Container) -> int:
    """Returns the number of pixels of all images, in little memory.

    Example:
        >>> n_pixels(Container(b"", "", True, 3, n_images=2, sizes=[(8, 9)]))
        144
    """
    counts = [container.n_images]
    if container.size_of is not None:
        counts = np.bincount(container.size_of, minlength=len(container.sizes)).tolist()
    return sum(n * h * w for n, (h, w) in zip(counts, container.sizes, strict=True))


def layout_of(container: Container) -> dict[Size, list[Tile]]:
    """Returns the tiles of each size, in raster order of each image.

    Example:
        >>> container = Container(b"", "", True, 3, n_images=1, sizes=[(8, 10)], tile=8)
        >>> [(size, len(tiles)) for size, tiles in layout_of(container).items()]
        [((8, 8), 1), ((8, 2), 1)]
    """
    layout: dict[Size, list[Tile]] = {}
    for image, (height, width) in enumerate(image_sizes(container)):
        for rows in _pieces(height, container.tile):
            for columns in _pieces(width, container.tile):
                size = rows.stop - rows.start, columns.stop - columns.start
                layout.setdefault(size, []).append(Tile(image, rows, columns))
    return layout


def _pieces(side: int, tile: int) -> list[slice]:
    length = tile or side
    return [slice(at, min(at + length, side)) for at in range(0, side, length)]
