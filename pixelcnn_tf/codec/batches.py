"""Batches of images, or tiles, that are encoded or decoded at the same time."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from pixelcnn_tf.codec.container import MOST_STREAMS, CodedBatch
from pixelcnn_tf.codec.entropy_coding import LOWEST, CodedState, CodedTables, code_values
from pixelcnn_tf.codec.layout import Size, Tile
from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.sampling.loops import Results, split_weights
from pixelcnn_tf.sampling.scheduler import (
    IncrementalBatch,
    advance,
    images_of,
    memory_errors,
    plan_batches,
    table_of,
)
from pixelcnn_tf.sampling.settings import SamplingSettings
from pixelcnn_tf.utils.values import dtype_for

#: A batch has one stream for so many bits of uncompressed pixels: a stream takes about 50 bits of
#: its own, and there are models that need a tenth of a bit per bit.
BITS_PER_STREAM = 50_000


class GroupCoder:
    """Encodes or decodes the tiles of one group.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        size: the (height, width) at which the model runs.
        tiles: the tiles, as large or smaller.
        batch_size: tiles per batch; None for what is fast and fits memory.
        n_streams: streams per batch; None for a number that adds little to the file.
        compiled: whether XLA compiles the loop.

    Raises:
        UserError: a batch does not fit memory.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> coder = GroupCoder(model, (6, 5), [Tile(0, slice(6), slice(5))], compiled=False)
        >>> coder.batch_size, coder.n_streams
        (1, 1)
    """

    def __init__(
        self,
        model: PixelModel,
        size: Size,
        tiles: list[Tile],
        batch_size: int | None = None,
        n_streams: int | None = None,
        compiled: bool = True,
    ):
        self._model, self._tiles, self._compiled = model, tiles, compiled
        self._shape = (len(tiles), *size, model.n_channels)
        plan = plan_batches(model, self._shape, SamplingSettings(batch_size=batch_size))
        self.batch_size, self._workers = plan
        self._schedule = Schedule(model, self.batch_size, *size)
        self.n_streams = n_streams or self._few_streams()

    def _few_streams(self) -> int:
        n_dims = self.batch_size * math.prod(self._shape[1:])
        n_bits = n_dims * math.log2(self._model.likelihood.n_values)
        return max(1, min(int(n_bits / BITS_PER_STREAM), self._schedule.lanes, MOST_STREAMS))

    def run(
        self, make: Callable[[list[Tile]], tuple], report: Callable[[int], None]
    ) -> Iterator[tuple[list[Tile], "CodingBatch"]]:
        """Runs all batches, as many at once as there are cores.

        Args:
            make: returns the images, the labels and the ``CodedBatch`` of some tiles, as
                ``CodingBatch`` takes them.
            report: called with the number of pixels of this group that are done.

        Yields:
            the tiles of each batch, and the batch.
        """
        pixels = sum(math.prod(tile.size) for tile in self._tiles) / len(self._tiles)
        weights = split_weights(self._model)
        step = self.batch_size * self._workers
        with ThreadPoolExecutor(self._workers) as pool, memory_errors(self._shape, self.batch_size):
            for first in range(0, len(self._tiles), step):
                last = min(first + step, len(self._tiles))
                parts = [
                    self._tiles[at : min(at + self.batch_size, last)]
                    for at in range(first, last, self.batch_size)
                ]
                batches = [self._batch(weights, *make(tiles)) for tiles in parts]
                for fraction in advance(batches, pool):
                    report(round((first + fraction * (last - first)) * pixels))
                yield from zip(parts, batches, strict=True)

    def _batch(self, weights: list, images, labels, coded: CodedBatch | None) -> "CodingBatch":
        return CodingBatch(
            self._model,
            self._schedule,
            self.n_streams,
            weights,
            self._compiled,
            images,
            labels,
            coded,
        )


class CodingBatch(IncrementalBatch):
    """A batch in the loop that encodes and decodes.

    Args:
        model, schedule: for images of the padded size.
        n_streams: number of streams.
        weights: from ``split_weights``.
        compiled: whether XLA compiles the loop.
        images: integers ``[height, width, n_channels]``, at most ``schedule.batch``, as large as
            those of ``schedule`` or smaller; to decode, zeros.
        labels: int32 ``[n]`` or None.
        coded: what to decode; None to encode.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> schedule, images = Schedule(model, 2, 4, 4), [np.ones([3, 4, 1], np.uint8)]
        >>> batch = CodingBatch(model, schedule, 1, split_weights(model), False, images)
        >>> batch.advance(batch.n_steps)
        >>> batch.intervals().shape  # of every step, channel, round, and stream
        (16, 1, 2, 1, 2)
    """

    def __init__(
        self,
        model: PixelModel,
        schedule: Schedule,
        n_streams: int,
        weights: list,
        compiled: bool,
        images: list[np.ndarray],
        labels: np.ndarray | None = None,
        coded: CodedBatch | None = None,
    ):
        self._sizes = np.zeros([schedule.batch, 2], np.int32)
        self._sizes[: len(images)] = [image.shape[:2] for image in images]
        size, channels = (schedule.height, schedule.width), model.n_channels
        self._dtype = dtype_for(model.likelihood.n_values)
        padded = np.zeros([schedule.batch, *size, channels], self._dtype)
        for image, into in zip(images, padded, strict=False):
            into[: image.shape[0], : image.shape[1]] = image
        # The stack has room for any values, so that the encoder and the decoder have one shape.
        words = np.zeros(padded.size + n_streams + 1, np.uint32)
        streams, n_words = np.full(n_streams, LOWEST), 0
        if coded is not None:
            streams, n_words = coded.streams, min(len(coded.words), len(words) - 1)
            words[:n_words] = coded.words[:n_words]  # there are more in damaged files only
        if labels is not None:
            labels = np.pad(labels, [0, schedule.batch - len(images)])
        tables = CodedTables(
            tf.constant(table_of(padded, schedule.batch), tf.float32),
            tf.constant(self._sizes),
            tf.constant(coded is not None),
            tf.constant(words),
            None if labels is None else tf.constant(labels),
        )
        state = CodedState.start(schedule, channels, streams, n_words)
        results, everything = Results(tables.images, state=state), np.arange(padded[0].size)
        super().__init__(model, size, tables, everything, weights, compiled, results, code_values)

    def intervals(self) -> np.ndarray:
        """Returns the intervals of all values, see ``CodedState``."""
        state: Any = self.results.state
        return state.intervals.numpy()

    def decoded(self) -> list[np.ndarray] | None:
        """Returns the decoded images; None if the streams do not end as those of the encoder
        began."""
        state: Any = self.results.state
        if int(state.n_words) or (state.streams.numpy() != LOWEST).any():
            return None
        images = images_of(self.results.images.numpy(), *self._arguments[1]).astype(self._dtype)
        sizes = self._sizes[self._sizes[:, 0] > 0]
        return [image[:height, :width] for image, (height, width) in zip(images, sizes)]  # noqa: B905
