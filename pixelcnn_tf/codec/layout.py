"""Which parts of which images are coded together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pixelcnn_tf.codec.container import Container

Size = tuple[int, int]


#: Up to so many sizes of tiles have a group each, for which the model is compiled. Of more, those
#: of similar sizes share a group.
MOST_SIZES = 4


class Tile(NamedTuple):
    """A part of an image that is coded by itself.

    Attributes:
        image: index of the image.
        rows, columns: the part.

    Example:
        >>> images = np.zeros([3, 8, 8, 1])
        >>> tile = Tile(2, slice(0, 4), slice(2, 8))
        >>> tile.of(images).shape, tile.size
        ((4, 6, 1), (4, 6))
    """

    image: int
    rows: slice
    columns: slice

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

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


def n_tiles(container: Container) -> int:
    """Returns at least the number of tiles of all images, in little memory.

    Example:
        >>> n_tiles(Container(b"", "", True, 3, n_images=2, sizes=[(8, 10)], tile=8))
        4
    """
    if not container.tile:
        return container.n_images
    most = max(-(-h // container.tile) * -(-w // container.tile) for h, w in container.sizes)
    return container.n_images * most


def layout_of(container: Container) -> dict[Size, list[Tile]]:
    """Returns the groups: for each the size at which the model runs, and the tiles, which are as
    large or smaller, in raster order of each image.

    Args:
        container: the sizes of the images, and of the tiles.

    Example:
        >>> container = Container(b"", "", True, 3, n_images=1, sizes=[(8, 10)], tile=8)
        >>> [(size, len(tiles)) for size, tiles in layout_of(container).items()]
        [((8, 8), 1), ((8, 2), 1)]
    """
    tiles = [
        Tile(image, rows, columns)
        for image, (height, width) in enumerate(image_sizes(container))
        for rows in _pieces(height, container.tile)
        for columns in _pieces(width, container.tile)
    ]
    step = _step if len({tile.size for tile in tiles}) > MOST_SIZES else lambda side: 1
    layout: dict[Size, list[Tile]] = {}
    for tile in tiles:
        height, width = (_up(side, step(side)) for side in tile.size)
        layout.setdefault((height, width), []).append(tile)
    return layout


def _step(side: int) -> int:
    """The sides of groups are multiples of this, at most a quarter of ``side`` from 32 up."""
    return max(8, (1 << side.bit_length()) >> 3)


def _up(side: int, unit: int) -> int:
    return -(-side // unit) * unit


def _pieces(side: int, tile: int) -> list[slice]:
    length = tile or side
    return [slice(at, min(at + length, side)) for at in range(0, side, length)]
