"""Batches of images on their way through the loops: how large, how many side by side."""

import contextlib
import math
import os
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.incremental import Raster
from pixelcnn_tf.sampling.loops import Results, Tables, plain_loop, raster_loop
from pixelcnn_tf.utils.errors import UserError

#: Rows of one product: fewer are not worth another core, and more gain nothing.
FEWEST_LANES, MOST_LANES = 8, 512


def table_of(images: np.ndarray, batch: int) -> np.ndarray:
    """``[n, height, width, channels]`` as a table (see loops.py) of ``batch`` images, filled up
    with zeros."""
    n, height, width, channels = images.shape
    table = np.moveaxis(images.reshape(n, height * width, channels), 0, 2)
    return np.pad(table, [(0, 1), (0, 0), (0, batch - n)])


def images_of(table: np.ndarray, height: int, width: int) -> np.ndarray:
    """What ``table_of`` was made of: ``[batch, height, width, channels, ...]``."""
    images = np.moveaxis(table[:-1], 2, 0)
    return images.reshape(len(images), height, width, *images.shape[2:])


class _Batch:
    """Images on their way through a loop: ``done`` of ``n_steps`` steps so far.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        results: ``Results`` to write to.
    """

    done = n_steps = 0

    def __init__(self, model, results: Results):
        self.model, self.results = model, results

    def advance(self, steps: int) -> None:
        """Make so many more steps, fewer at the end."""
        stop = min(self.done + steps, self.n_steps)
        if stop > self.done:
            self._run(tf.constant(self.done), tf.constant(stop))
            self.results.images.numpy()  # waits until they are made
        self.done = stop


class RasterBatch(_Batch):
    """Images made by ``raster_loop``.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        size: (height, width).
        tables: ``Tables``.
        unknown: raster indices of the sub-pixels to choose; nothing is done after the last.
        weights: from ``cut_weights``.
        jit_compile: as in ``raster_loop``.
        results: ``Results`` to write to; images only if not given.
    """

    def __init__(self, model, size, tables, unknown, weights, jit_compile=None, results=None):
        super().__init__(model, results or Results(tables.images))
        self._arguments = model, size, weights, tables
        self._jit_compile = jit_compile
        raster = Raster(model, tables.images.shape[2], *size, tables.labels)
        self._states = raster.init_states()
        if unknown.size:
            row, column = np.divmod(unknown // model.n_channels, size[1])
            self.n_steps = raster.head_start + int(raster.step_of(row, column).max()) + 1

    def _run(self, first, stop) -> None:
        self._states, self.results = raster_loop(
            *self._arguments,
            self._states,
            self.results,
            first,
            stop,
            jit_compile=self._jit_compile,
        )


class PlainBatch(_Batch):
    """Images made by ``plain_loop``; arguments as in ``RasterBatch``. A step is a sub-pixel."""

    def __init__(self, model, size, tables: Tables, unknown: np.ndarray):
        super().__init__(model, Results(tables.images))
        self._arguments = model, size, tables
        if unknown.size:
            self.done, self.n_steps = int(unknown[0]), int(unknown[-1]) + 1

    def _run(self, first, stop) -> None:
        self.results = plain_loop(*self._arguments, self.results, first, stop)


#: Seconds a step of each model took last, by what its time depends on.
_pace: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def advance(batches: list, pool: ThreadPoolExecutor) -> Iterator[float]:
    """Bring batches to their end side by side in pieces of about half a second; yields the share
    that is done after each, so that the caller may tell of it, or be stopped."""
    n_steps = max(batch.n_steps for batch in batches)
    paces = _pace.setdefault(batches[0].model, {})
    key = (type(batches[0]), batches[0].results.images.shape, len(batches))
    done = 0
    while done < n_steps:
        # The first step ever may compile: how long it takes tells nothing.
        steps = max(1, int(0.5 / paces[key])) if key in paces else 1
        steps = min(steps, n_steps - done)
        start = time.perf_counter()
        list(pool.map(lambda batch, n=steps: batch.advance(n), batches))
        paces[key] = (time.perf_counter() - start) / steps if key in paces else 0.2
        done = min(batch.done if batch.done < batch.n_steps else n_steps for batch in batches)
        yield done / n_steps


def cut(model, shape, method: str, batch_size: int | None) -> tuple[int, int]:
    """How many images make a batch, and how many batches go side by side.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        shape: ``(n_images, height, width, channels)``.
        method: ``'raster'`` or ``'plain'``.
        batch_size: what the user wants, or None.

    Raises:
        UserError: they need more than half of the memory.
    """
    n, height, width, channels = shape
    if batch_size is not None:
        batch_size = min(batch_size, n)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    if method == "raster":
        raster, at_work = Raster(model, 1, height, width), 1 if on_gpu else cores()
        lanes, states = raster.rows, tf.nest.flatten(raster.init_states())
        one = 16 * sum(math.prod(state.shape) for state in states)
    else:
        lanes, at_work = max(1, height * width // 128), 1
        one = 16 * math.prod(shape[1:]) * model.likelihood.n_params
    one += 32 * math.prod(shape[1:])  # bytes an image: tables and copies of them
    results, at_once = 2 * math.prod(shape), batch_size or 1
    room = _memory() // 2 - results
    if room < one * at_once:
        raise UserError(
            f"{n} images of {height}x{width}x{channels}, {at_once} at once: need about "
            f"{(results + one * at_once) / 1e9:,.1f} GB of memory, more than half of the "
            f"{_memory() / 1e9:,.1f} GB here; make fewer, smaller, or fewer at once (batch_size)"
        )
    if batch_size is None:
        fewest, most = max(1, FEWEST_LANES // lanes), max(1, MOST_LANES // lanes)
        even = -(-n // at_work)
        even = -(-even // -(-even // most))  # in as few rounds, all batches alike
        batch_size = max(1, min(max(even, fewest), room // (one * at_work)))
    batch = min(batch_size, n)
    workers = min(at_work, -(-n // batch), max(1, room // (one * batch)))
    return batch, workers


@contextlib.contextmanager
def memory_errors(shape, batch: int):
    """TensorFlow's out-of-memory error in one line."""
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        n, height, width, channels = shape
        raise UserError(
            f"{n} images of {height}x{width}x{channels}, {batch} at once: do not fit the memory; "
            "make smaller ones, or fewer at once (batch_size)"
        ) from None


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    """Bytes of memory that the machine has, or the container, if that has less."""
    limits = []
    with contextlib.suppress(AttributeError, ValueError):  # not on this system
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # control groups, new and old
        with contextlib.suppress(OSError, ValueError):  # none, or without a limit
            limits.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return min(limits, default=2**34)
