"""The pixels of one step of incremental evaluation, and how features of earlier steps are read.

docs/sampling.md explains the terms, with figures; schedule.py assigns the pixels to steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from pixelcnn_tf.layers.schedule import Nest, Schedule


class Wavefront:
    """The pixels of one step: one in each active row, of each image.

    Args:
        schedule: the schedule.
        time: the step, 0 at the first pixel.

    Attributes:
        row, column: int32 ``[rows]``; some may lie outside of the image.
        index: int32 ``[rows]``, ``row * width + column``; ``height * width`` for those outside.

    Example:
        >>> from pixelcnn_tf.layers.schedule import Schedule
        >>> layer = pixelcnn_tf.MaskedConv2D(3, kernel_size=7)
        >>> layer.build((None, None, None, 3))
        >>> wavefront = Wavefront(Schedule(layer, batch=1, height=3, width=10), tf.constant(8))
        >>> wavefront.row.numpy().tolist(), wavefront.column.numpy().tolist()
        ([2, 1, 0], [0, 4, 8])
    """

    def __init__(self, schedule: Schedule, time):
        self.schedule, self.time = schedule, time
        self._shared: dict[tuple, Any] = {}

    @property
    def row(self):
        place = np.arange(self.schedule.rows, dtype=np.int32)
        return self._once("row", lambda: self.time // self.schedule.lag - place)

    @property
    def column(self):
        first = self.schedule.lag * np.arange(self.schedule.rows, dtype=np.int32)
        return self._once("column", lambda: self._first_column + first)

    @property
    def index(self):
        height, width = self.schedule.height, self.schedule.width

        def index():
            return tf.where(self._inside, self.row * width + self.column, height * width)

        return self._once("index", index)

    def write(self, buffer: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        """Returns ``buffer``, a ring buffer of the last steps, with ``features`` ``[lanes,
        features]`` of these pixels in it: zeros for those outside of the image and in both margins.
        """
        length = buffer.shape[0]
        inside = self._once("lanes inside", self._lanes_inside)
        features = tf.where(inside, features, tf.zeros([], features.dtype))
        features = tf.pad(features, [[self._margin(buffer)] * 2, [0, 0]])
        now = self._once(("now", length), lambda: tf.reshape(self.time % length, [1, 1]))
        return tf.tensor_scatter_nd_update(buffer, now, features[None])

    def read(self, buffer: tf.Tensor, around: list[tuple[int, int]]) -> list[tf.Tensor]:
        """Returns what ``buffer`` holds of several pixels around these, ``[lanes, features]`` of
        each; zeros outside of the image.

        Args:
            buffer: the ring buffer.
            around: of each pixel, how many rows above and columns to the right (negative: left) of
                these it is.
        """
        # Some columns further may be past the ``lag`` columns of an active row, among those of the
        # next active row or, to the left, of an earlier one; their lanes are next to ours.
        schedule, margin, length = self.schedule, self._margin(buffer), buffer.shape[0]
        up, right = np.array(around, np.int32).T

        def make_starts():
            entries = (self.time - (up * schedule.lag - right)) % length
            lanes = (self._first_column + right) // schedule.lag * schedule.batch + margin
            return tf.unstack(tf.stack([entries, lanes, np.zeros_like(up)], axis=1))

        size = tf.constant([1, schedule.lanes, buffer.shape[2]])
        starts = self._once(("starts", length, margin, *around), make_starts)
        return [tf.squeeze(tf.slice(buffer, start, size), axis=0) for start in starts]

    def _margin(self, buffer: tf.Tensor) -> int:
        """The number of lanes of zeros on either side of ``buffer``."""
        return (buffer.shape[1] - self.schedule.lanes) // 2

    @property
    def _first_column(self):
        """The column of the pixel in the lowest active row."""
        return self._once("first column", lambda: self.time % self.schedule.lag)

    @property
    def _inside(self):
        """Whether each of the pixels lies inside of the image, boolean ``[rows]``."""

        def inside():
            height, width = self.schedule.height, self.schedule.width
            return (self.row >= 0) & (self.row < height) & (self.column < width)

        return self._once("inside", inside)

    def _lanes_inside(self):
        """Whether each of the lanes lies inside of the image, boolean ``[lanes, 1]``."""
        of_rows = tf.expand_dims(self._inside, 1)
        of_rows = tf.broadcast_to(of_rows, [self.schedule.rows, self.schedule.batch])
        return tf.reshape(of_rows, [self.schedule.lanes, 1])

    def _once(self, key, make: Callable[[], Any]):
        """Returns ``make()``, which is called at its first use in each graph: many layers share the
        result, and tracing it for each of them would take seconds."""
        key = (tf.compat.v1.get_default_graph(), key)
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


def where(condition: tf.Tensor | bool, change: Callable, *states: Nest) -> tuple:
    """Returns ``change(*states)`` where the scalar ``condition`` holds, else ``states``.

    A loop of at most one iteration: XLA lets it work in place, while it copies all that goes into
    and comes out of a ``tf.cond``.

    Example:
        >>> [n] = where(tf.constant(True), lambda n: [n + 1], tf.constant(1))
        >>> int(n)
        2
    """

    def body(_, *states):
        return False, *change(*states)

    return tf.while_loop(lambda again, *_: again, body, (condition, *states))[1:]
