"""Batches of images, or tiles, that are encoded or decoded at the same time."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from pixelcnn_tf.codec.container import CodedBatch
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

#: A batch has one stream for so many bits of uncompressed pixels: a stream takes about 50 bits of
#: its own, and there are models that need a tenth of a bit per bit.
BITS_PER_STREAM = 50_000

#: More streams gain no speed.
MOST_STREAMS = 256


def padded_size(model: PixelModel, size: Size) -> Size:
    """Returns the next size that the model can take; the pixels beyond ``size`` are not coded.

    Example:
        >>> padded_size(pixelcnn_tf.PixelCNNPlusPlus(n_resnet=1, n_filters=4), (7, 8))
        (8, 8)
    """
    height, width = (-(-side // model.size_unit) * model.size_unit for side in size)
    return height, width


class GroupCoder:
    """Encodes or decodes the tiles of one size.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        size: (height, width) of the tiles.
        tiles: the tiles.
        batch_size: tiles per batch; None for what is fast and fits memory.
        n_streams: streams per batch; None for a number that adds little to the file.
        compiled: as ``jit_compile`` in ``incremental_loop``.

    Raises:
        UserError: a batch does not fit memory.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> coder = GroupCoder(model, (6, 5), [Tile(0)], compiled=False)
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
        compiled: bool | None = None,
    ):
        self._model, self._size, self._tiles, self._compiled = model, size, tiles, compiled
        self._padded = padded_size(model, size)
        shape = (len(tiles), *self._padded, model.n_channels)
        plan = plan_batches(model, shape, SamplingSettings(batch_size=batch_size))
        self.batch_size, self._workers = plan
        self._schedule = Schedule(model, self.batch_size, *self._padded)
        self._n_dims = self.batch_size * math.prod(shape[1:])
        self.n_streams = n_streams or self._few_streams()

    def _few_streams(self) -> int:
        n_bits = self._n_dims * math.log2(self._model.likelihood.n_values)
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
        shape = (len(self._tiles), *self._padded, self._model.n_channels)
        pixels = math.prod(self._size)
        weights = split_weights(self._model)
        step = self.batch_size * self._workers
        with ThreadPoolExecutor(self._workers) as pool, memory_errors(shape, self.batch_size):
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
        compiled: as ``jit_compile`` in ``incremental_loop``.
        images: uint8 ``[n, height, width, n_channels]``, at most ``schedule.batch`` and not padded;
            to decode, zeros.
        labels: int32 ``[n]`` or None.
        coded: what to decode; None to encode.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> schedule, images = Schedule(model, 2, 4, 4), np.ones([2, 4, 4, 1], np.uint8)
        >>> batch = CodingBatch(model, schedule, 1, split_weights(model), False, images)
        >>> batch.advance(batch.n_steps)
        >>> batch.intervals().shape  # of every step, channel, round, and stream
        (136, 1, 16, 1, 2)
    """

    def __init__(
        self,
        model: PixelModel,
        schedule: Schedule,
        n_streams: int,
        weights: list,
        compiled: bool | None,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        coded: CodedBatch | None = None,
    ):
        self._shape = images.shape
        padded = schedule.height, schedule.width
        n, height, width, channels = images.shape
        images = np.pad(images, [(0, 0), (0, padded[0] - height), (0, padded[1] - width), (0, 0)])
        n_dims = schedule.batch * math.prod(padded) * channels
        # The stack has room for any values, so that the encoder and the decoder have one shape.
        words = np.zeros(n_dims + n_streams, np.uint32)
        streams, n_words = np.full(n_streams, LOWEST), 0
        if coded is not None:
            streams, n_words = coded.streams, len(coded.words)
            words[:n_words] = coded.words
        missing = schedule.batch - n
        tables = CodedTables(
            tf.constant(table_of(images, schedule.batch), tf.float32),
            tf.constant([n, height, width]),
            tf.constant(coded is not None),
            tf.constant(words),
            None if labels is None else tf.constant(np.pad(labels, [0, missing])),
        )
        state = CodedState.start(schedule, channels, streams, n_words)
        results, everything = Results(tables.images, state=state), np.arange(images[0].size)
        super().__init__(model, padded, tables, everything, weights, compiled, results, code_values)

    def intervals(self) -> np.ndarray:
        """Returns the intervals of all values, see ``CodedState``."""
        state: Any = self.results.state
        return state.intervals.numpy()

    def decoded(self) -> np.ndarray | None:
        """Returns the decoded images, not padded; None if the streams do not end as those of the
        encoder began."""
        state: Any = self.results.state
        if int(state.n_words) or (state.streams.numpy() != LOWEST).any():
            return None
        n, height, width, _ = self._shape
        images = images_of(self.results.images.numpy(), *self._arguments[1])
        return np.ascontiguousarray(images[:n, :height, :width].astype(np.uint8))
