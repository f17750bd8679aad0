"""Batches of images in the loops: their size, and how many run at the same time."""

import abc
import contextlib
import math
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.sampling.loops import (
    Results,
    Tables,
    choose_values,
    incremental_loop,
    naive_loop,
)
from pixelcnn_tf.sampling.settings import SamplingSettings
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.machine import cores, memory

#: Rows of one matrix product: fewer are not worth another core, and more gain nothing.
FEWEST_LANES, MOST_LANES = 8, 512

#: Outputs of one step: more take time for memory, and gain nothing.
MOST_NUMBERS = 1 << 23


def table_of(images: np.ndarray, batch: int) -> np.ndarray:
    """Converts images to a table of the loops.

    Args:
        images: ``[n, height, width, channels]``.
        batch: number of images in the table, from ``n`` up; those that are missing are zeros.

    Returns:
        ``[height * width + 1, channels, batch]``, see loops.py.

    Example:

    >>> from pixelcnn_tf.sampling.scheduler import images_of, table_of
    >>> images = np.arange(12).reshape(1, 2, 2, 3)
    >>> table = table_of(images, batch=2)
    >>> table.shape, bool((images_of(table, 2, 2)[:1] == images).all())
    ((5, 3, 2), True)
    """
    n, height, width, channels = images.shape
    table = np.moveaxis(images.reshape(n, height * width, channels), 0, 2)
    return np.pad(table, [(0, 1), (0, 0), (0, batch - n)])


def images_of(table: np.ndarray, height: int, width: int) -> np.ndarray:
    """Converts a table to images ``[batch, height, width, channels, ...]``, the inverse of
    ``table_of``.

    Example:
        >>> from pixelcnn_tf.sampling.scheduler import images_of
        >>> images_of(np.zeros([5, 3, 2]), height=2, width=2).shape
        (2, 2, 2, 3)
    """
    images = np.moveaxis(table[:-1], 2, 0)
    return images.reshape(len(images), height, width, *images.shape[2:])


class _Batch(abc.ABC):
    """A batch of images in a loop.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        results: ``Results`` to write to.

    Attributes:
        done, n_steps: number of steps made, and of all steps.
    """

    done = n_steps = 0

    def __init__(self, model, results: Results):
        self.model, self.results = model, results

    def advance(self, steps: int) -> None:
        """Makes at most ``steps`` further steps."""
        stop = min(self.done + steps, self.n_steps)
        if stop > self.done:
            self._run(tf.constant(self.done), tf.constant(stop))
            self.results.images.numpy()  # waits for the result
        self.done = stop

    @abc.abstractmethod
    def _run(self, first: tf.Tensor, stop: tf.Tensor) -> None:
        """Makes the steps from ``first`` to before ``stop``."""


class IncrementalBatch(_Batch):
    """Images made by ``incremental_loop``.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        size: (height, width).
        tables: ``Tables``.
        unknown: raster indices of the sub-pixels to choose; nothing is done after the last.
        weights: from ``split_weights``.
        jit_compile, chooser: as in ``incremental_loop``.
        results: ``Results`` to write to; images only if not given.

    Example:
        >>> from pixelcnn_tf.sampling.loops import split_weights
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> tables = Tables(tf.zeros([17, 1, 2]), uniforms=tf.random.uniform([17, 1, 2]))
        >>> weights, everything = split_weights(model), np.arange(16)
        >>> batch = IncrementalBatch(model, (4, 4), tables, everything, weights, jit_compile=False)
        >>> batch.advance(batch.n_steps)
        >>> batch.done == batch.n_steps
        True
    """

    def __init__(
        self,
        model,
        size,
        tables,
        unknown,
        weights,
        jit_compile=None,
        results=None,
        chooser=choose_values,
    ):
        super().__init__(model, results or Results(tables.images))
        self._arguments = model, size, weights, tables
        self._options = {"jit_compile": jit_compile, "chooser": chooser}
        height, width = size
        condition = None
        if tables.condition is not None:  # once: it does not change
            condition = model.condition_encoder(tables.condition)
        batch = tables.images.shape[2]
        schedule = Schedule(model, batch, height, width, tables.labels, condition=condition)
        self._states = schedule.init_states()
        if unknown.size:
            row, column = np.divmod(unknown // model.n_channels, width)
            self.n_steps = schedule.head_start + int(schedule.step_of(row, column).max()) + 1

    def _run(self, first, stop) -> None:
        self._states, self.results = incremental_loop(
            *self._arguments,
            self._states,
            self.results,
            first,
            stop,
            **self._options,
        )


class NaiveBatch(_Batch):
    """Images made by ``naive_loop``; arguments as in ``IncrementalBatch``.

    A step is a sub-pixel.

    Example:
        >>> from pixelcnn_tf.sampling.scheduler import NaiveBatch
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> tables = Tables(tf.zeros([17, 1, 2]), uniforms=tf.random.uniform([17, 1, 2]))
        >>> batch = NaiveBatch(model, (4, 4), tables, unknown=np.arange(10, 16))
        >>> batch.advance(4)
        >>> batch.done, batch.n_steps
        (14, 16)
    """

    def __init__(self, model, size, tables: Tables, unknown: np.ndarray):
        super().__init__(model, Results(tables.images))
        self._arguments = model, size, tables
        if unknown.size:
            self.done, self.n_steps = int(unknown[0]), int(unknown[-1]) + 1

    def _run(self, first, stop) -> None:
        self.results = naive_loop(*self._arguments, self.results, first, stop)


#: Seconds that the last step of each model took, by what this time depends on.
_pace: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def advance(batches: list, pool: ThreadPoolExecutor) -> Iterator[float]:
    """Runs batches to their end, in parallel, in pieces of about half a second.

    Yields:
        the fraction that is done, after each piece, so that the caller may report it or stop.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> tables = Tables(tf.zeros([17, 1, 2]), uniforms=tf.random.uniform([17, 1, 2]))
        >>> batch = NaiveBatch(model, (4, 4), tables, unknown=np.arange(16))
        >>> with ThreadPoolExecutor(1) as pool:
        ...     list(advance([batch], pool))[-1]
        1.0
    """
    n_steps = max(batch.n_steps for batch in batches)
    paces = _pace.setdefault(batches[0].model, {})
    key = (type(batches[0]), batches[0].results.images.shape, len(batches))
    done = 0
    while done < n_steps:
        # The first step may compile: its time is no measure of the others.
        steps = max(1, int(0.5 / paces[key])) if key in paces else 1
        steps = min(steps, n_steps - done)
        start = time.perf_counter()
        list(pool.map(lambda batch, n=steps: batch.advance(n), batches))
        paces[key] = (time.perf_counter() - start) / steps if key in paces else 0.2
        done = min(batch.done if batch.done < batch.n_steps else n_steps for batch in batches)
        yield done / n_steps


class BatchPlan(NamedTuple):
    """The division of images into batches.

    Attributes:
        batch_size: images per batch.
        workers: batches that run at the same time.

    Example:
        >>> BatchPlan(batch_size=8, workers=2).batch_size
        8
    """

    batch_size: int
    workers: int


def plan_batches(
    model: PixelModel, shape: tuple[int, int, int, int], settings: SamplingSettings
) -> BatchPlan:
    """Divides images into batches that are fast and fit memory.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        shape: ``(n_images, height, width, channels)``.
        settings: the method, and the batch size that the user wants, if any.

    Raises:
        UserError: the images need more than half of the memory.

    Example:

    >>> from pixelcnn_tf.sampling.scheduler import plan_batches
    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> model.build((None, None, None, 1))
    >>> plan = plan_batches(model, (10, 4, 4, 1), pixelcnn_tf.SamplingSettings(batch_size=3))
    >>> plan.batch_size
    3
    """
    n = shape[0]
    cost = _cost(model, shape, settings)
    wanted = settings.batch_size and min(settings.batch_size, n)
    room = _room(shape, cost, at_once=wanted or 1)
    size = min(wanted or _fast_size(n, cost, room), n)
    workers = min(cost.workers, -(-n // size), max(1, room // (cost.n_bytes * size)))
    return BatchPlan(size, workers)


class _Cost(NamedTuple):
    """The cost of one image in a batch.

    Attributes:
        n_bytes: memory.
        lanes: rows that it adds to every product.
        numbers: outputs and probabilities that it adds to every step.
        workers: batches that the device can run at the same time.
    """

    n_bytes: int
    lanes: int
    numbers: int
    workers: int


def _cost(model, shape, settings: SamplingSettings) -> _Cost:
    _, height, width, channels = shape
    n_dims = math.prod(shape[1:])
    tables = 32 * n_dims  # and copies of them
    numbers = channels * model.likelihood.n_params
    if settings.temperature != 1 or settings.top_p != 1:  # probabilities of all values
        numbers = max(numbers, model.likelihood.n_values)
    if settings.method == "naive":
        logits = 16 * n_dims * model.likelihood.n_params
        return _Cost(logits + tables, max(1, height * width // 128), numbers, 1)
    schedule = Schedule(model, 1, height, width)
    states = 16 * sum(math.prod(s.shape) for s in tf.nest.flatten(schedule.init_states()))
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    numbers *= schedule.rows
    n_bytes = states + tables + 16 * numbers
    return _Cost(n_bytes, schedule.rows, numbers, 1 if on_gpu else cores())


def _room(shape, cost: _Cost, at_once: int) -> int:
    """Bytes that batches may take; UserError if ``at_once`` images do not fit in there."""
    n, height, width, channels = shape
    results = 2 * math.prod(shape)
    room, needed = memory() // 2 - results, cost.n_bytes * at_once
    if room < needed:
        raise UserError(
            f"{n} images of {height}x{width}x{channels}, {at_once} at once: need about "
            f"{(results + needed) / 1e9:,.1f} GB of memory, more than half of the "
            f"{memory() / 1e9:,.1f} GB here; make fewer, smaller, or fewer at once (batch_size)"
        )
    return room


def _fast_size(n: int, cost: _Cost, room: int) -> int:
    """The batch size that is fast for ``n`` images: products neither small nor too large, all
    batches of the same size, in as few rounds as possible."""
    fewest, most = (max(1, lanes // cost.lanes) for lanes in (FEWEST_LANES, MOST_LANES))
    most = max(1, min(most, MOST_NUMBERS // cost.numbers))
    fewest = min(fewest, most)
    per_worker = -(-n // cost.workers)
    rounds = -(-per_worker // most)
    return max(1, min(max(-(-per_worker // rounds), fewest), room // (cost.n_bytes * cost.workers)))


@contextlib.contextmanager
def memory_errors(shape: tuple[int, ...], batch: int) -> Iterator[None]:
    """Turns TensorFlow's out-of-memory error into a UserError of one line.

    Args:
        shape: ``(n_images, height, width, channels)``, for the message.
        batch: images per batch.

    Example:
        >>> with memory_errors((1000, 512, 512, 3), batch=64):
        ...     raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
        Traceback (most recent call last):
            ...
        pixelcnn_tf.utils.errors.UserError: 1000 images of 512x512x3, 64 at once: do not ...
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        n, height, width, channels = shape
        raise UserError(
            f"{n} images of {height}x{width}x{channels}, {batch} at once: do not fit memory; "
            "use smaller ones, or fewer at once (batch_size)"
        ) from None
