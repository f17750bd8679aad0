"""Draws images from a model, or completes images that are partly known."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalModel
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.inputs import check_images, check_model, condition_for, labels_for
from pixelcnn_tf.sampling.loops import Results, Tables, split_weights
from pixelcnn_tf.sampling.scheduler import (
    IncrementalBatch,
    NaiveBatch,
    advance,
    images_of,
    memory_errors,
    plan_batches,
    table_of,
)
from pixelcnn_tf.sampling.settings import SamplingSettings, check_seed, is_integer
from pixelcnn_tf.sampling.uniforms import stateless_uniforms
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages
from pixelcnn_tf.utils.values import dtype_for


def generate_images(
    model: PixelModel,
    image_size: int | tuple[int, int],
    n_images: int,
    seed: int,
    initial_images: npt.ArrayLike | None = None,
    *,
    known: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    condition: npt.ArrayLike | None = None,
    settings: SamplingSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
    **overrides: Any,
) -> np.ndarray:
    """Draws images from ``model``, one sub-pixel after another, in raster order.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus`` (or any model with ``likelihood`` and
            ``n_channels``).
        image_size: side, or ``(height, width)``.
        n_images: number of images.
        seed: an integer of 32 bits. The same seed draws the same images; image ``i`` of a seed is
            the same whatever ``n_images``, ``batch_size`` and ``method`` are, up to float
            rounding.
        initial_images: integers ``[height, width, channels]`` (for all) or ``[n_images,
            height, width, channels]``, for completion; see also ``complete_images``.
        known: booleans of the shape of ``initial_images`` or ``[height, width]``: the sub-pixels
            of ``initial_images`` that are kept. The others are drawn.
        labels: for a class-conditional model: one integer for all images or ``[n_images]``,
            0 to ``n_classes - 1``.
        condition: for a conditional model: integers ``[n_images, height, width, channels]`` or one
            for all images, ``[height, width, channels]``; height and width are those of the images
            divided by the model's ``condition_factor``.
        settings: ``temperature``, ``top_p``, ``method``, ``batch_size`` and others; see
            ``SamplingSettings``.
        progress: called with the number of pixels done and the number of all pixels, several
            times, in this thread.
        overrides: single settings by name, ``temperature=0.9``, in place of those in
            ``settings``.

    Returns:
        uint8 ``[n_images, height, width, channels]``, uint16 for a model of more than 256 values,
        0 to ``n_values - 1``. Each sub-pixel is drawn given exactly the values returned before it.

    Raises:
        UserError: an argument that is out of range or does not fit the others, or a batch
            that does not fit memory.
        TypeError: an unknown setting.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> images = pixelcnn_tf.generate_images(model, (4, 6), 3, seed=0, temperature=0.9)
    >>> images.shape, images.dtype.name
    ((3, 4, 6, 1), 'uint8')
    """
    check_model(model)
    shape = _image_shape(model, image_size, n_images)
    check_seed(seed)
    settings = (settings or SamplingSettings()).updated(overrides)
    check_method(model, settings.method)
    labels = labels_for(model, labels, int(n_images))
    given = condition_for(model, condition, int(n_images), shape[1:3])
    size, workers = plan_batches(model, shape, settings)
    images, known = _initial_state(model, shape, initial_images, known)
    job = _Job(model, int(seed), images, known, labels, given, settings)
    weights = split_weights(model) if settings.method == "incremental" else []

    out = np.empty(shape, dtype_for(model.likelihood.n_values))
    n_pixels = math.prod(shape[1:3])
    with ThreadPoolExecutor(workers) as pool, memory_errors(shape, size):
        for first in range(0, n_images, size * workers):
            last = min(first + size * workers, n_images)
            batches = {start: job.batch(start, size, weights) for start in range(first, last, size)}
            for fraction in advance(list(batches.values()), pool):
                if progress is not None:
                    done = first + fraction * (last - first)
                    progress(round(done * n_pixels), n_images * n_pixels)
            for start, batch in batches.items():
                drawn = images_of(batch.results.images.numpy(), *shape[1:3])
                out[start : start + size] = drawn[: last - start]
    return out


class _Job(NamedTuple):
    """Everything that determines the images of a call of ``generate_images``.

    Attributes:
        images, known: checked, both ``[n_images, height, width, channels]``.
        labels: int32 ``[n_images]`` or None.
        condition: integers ``[n_images, height, width, channels]`` or None.
    """

    model: Any
    seed: int
    images: np.ndarray
    known: np.ndarray
    labels: np.ndarray | None
    condition: np.ndarray | StoredImages | None
    settings: SamplingSettings

    def batch(self, first: int, size: int, weights: list) -> NaiveBatch | IncrementalBatch:
        """Images ``first`` to ``first + size - 1``, before the first step."""
        part, image_size = slice(first, first + size), self.images.shape[1:3]
        unknown = np.flatnonzero(~self.known[part].all(axis=0))
        tables = self._tables(part, size)
        if self.settings.method == "naive":
            return NaiveBatch(self.model, image_size, tables, unknown)
        jit_compile = self.settings.jit_compile
        return IncrementalBatch(self.model, image_size, tables, unknown, weights, jit_compile)

    def _tables(self, part: slice, size: int) -> Tables:
        images, known = self.images[part], self.known[part]
        n_dims = math.prod(images.shape[1:])
        uniforms = stateless_uniforms(self.seed, part.start, size, n_dims).numpy()
        temperature, top_p = self.settings.temperature, self.settings.top_p

        def filled_up(array):
            """The part of ``array`` for these images, as long as the batch."""
            if array is None:
                return None
            missing = [(0, size - len(images)), *[(0, 0)] * (array.ndim - 1)]
            return tf.constant(np.pad(array[part], missing))

        return Tables(
            images=tf.constant(table_of(images, size), tf.float32),
            known=tf.constant(table_of(known, size)) if self.known.any() else None,
            uniforms=tf.constant(table_of(uniforms.reshape(-1, *images.shape[1:]), size)),
            temperature=None if temperature == 1 else tf.constant(temperature, tf.float32),
            top_p=None if top_p == 1 else tf.constant(top_p, tf.float32),
            labels=filled_up(self.labels),
            condition=filled_up(self.condition),
        )


def teacher_forced_logits(
    model: PixelModel,
    images: npt.ArrayLike,
    jit_compile: bool | None = None,
    labels: npt.ArrayLike | None = None,
    condition: npt.ArrayLike | None = None,
) -> np.ndarray:
    """Evaluates a model incrementally on given images, for tests that compare the logits with
    those of ``model(images)``.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        images: integers ``[batch, height, width, channels]``, 0 to ``n_values - 1``.
        labels, condition: as in ``generate_images``.
        jit_compile: as in ``SamplingSettings``.

    Returns:
        float32 ``[batch, height, width, channels, n_params]``.

    Raises:
        UserError: images of another shape or with other values; labels and condition as in
            ``generate_images``.

    Example:

    >>> from pixelcnn_tf.sampling.generate import teacher_forced_logits
    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> images = np.eye(4, dtype=np.uint8)[None, :, :, None]
    >>> bool(np.allclose(teacher_forced_logits(model, images), model(images), atol=1e-5))
    True
    """
    check_model(model)
    images = check_images(model, images)
    size = images.shape[1:3]
    labels = labels_for(model, labels, len(images))
    given = condition_for(model, condition, len(images), size)
    tables = Tables(
        images=tf.constant(table_of(images, len(images)), tf.float32),
        labels=None if labels is None else tf.constant(labels),
        condition=None if given is None else tf.constant(np.asarray(given)),
    )
    results = Results(tables.images, tf.zeros([*tables.images.shape, model.likelihood.n_params]))
    everything = np.arange(images[0].size)
    weights = split_weights(model)
    batch = IncrementalBatch(model, size, tables, everything, weights, jit_compile, results)
    batch.advance(batch.n_steps)
    logits: Any = batch.results.logits
    return images_of(logits.numpy(), *size)


def supports_incremental(model: keras.Model) -> bool:
    """Returns whether ``model`` and all its blocks have a ``step``.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> supports_incremental(model)
        True
    """
    return isinstance(model, IncrementalModel) and not model.naive_parts()


def check_method(model: keras.Model, method: str) -> None:
    """Raises UserError if ``model`` cannot be evaluated by ``method``.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> check_method(model, "incremental")
    """
    if method == "incremental" and not supports_incremental(model):
        raise UserError(
            "method='incremental': the model or its blocks have no step, see "
            "pixelcnn_tf/layers/incremental.py; use method='naive'"
        )


def _image_shape(model, image_size, n_images) -> tuple[int, int, int, int]:
    if not is_integer(n_images) or n_images < 1:
        raise UserError(f"n_images={n_images!r}: must be an integer from 1 up")
    return int(n_images), *checked_image_size(image_size), model.n_channels


def checked_image_size(image_size: Any) -> tuple[int, int]:
    """Returns (height, width) of a side or a pair.

    Raises:
        UserError: it is neither.

    Example:
        >>> checked_image_size(8)
        (8, 8)
    """
    size = image_size if isinstance(image_size, (tuple, list)) else (image_size,) * 2
    if len(size) != 2 or not all(is_integer(side) and side > 0 for side in size):
        raise UserError(
            f"image_size={image_size!r}: must be a positive integer or a pair (height, width)"
        )
    return int(size[0]), int(size[1])


def _initial_state(model, shape, initial_images, known) -> tuple[np.ndarray, np.ndarray]:
    """Checked images and mask of known sub-pixels, both of the whole ``shape``."""
    if (initial_images is None) != (known is None):
        raise UserError("initial_images and known: give both, or neither")
    if initial_images is None:
        return np.zeros(shape, dtype_for(model.likelihood.n_values)), np.zeros(shape, bool)
    try:
        images, known = np.asarray(initial_images), np.asarray(known)
    except ValueError:  # lists of different lengths
        raise UserError("initial_images and known: must be arrays") from None
    if known.dtype != bool:
        raise UserError(f"known: must hold booleans, not {known.dtype}")
    whole = (shape, shape[1:])
    if images.shape not in whole or known.shape not in (*whole, shape[1:3]):
        raise UserError(
            f"initial_images {images.shape} and known {known.shape}: must be {shape} (n_images, "
            f"height, width, channels) or {shape[1:]}; known also {shape[1:3]}"
        )
    if known.ndim == 2:
        known = known[..., None]
    known, images = np.broadcast_to(known, shape), np.broadcast_to(images, shape)
    kept = images[known]
    n_values = model.likelihood.n_values
    if not np.issubdtype(images.dtype, np.integer) or (
        kept.size and (kept.min() < 0 or kept.max() >= n_values)
    ):
        raise UserError(
            f"initial_images: must hold integers from 0 to {n_values - 1}, the values of the "
            f"model; these are {images.dtype}"
            + (
                f" from {kept.min()} to {kept.max()}"
                if kept.size and kept.dtype.kind in "iuf"
                else ""
            )
        )
    # What is not known must not show: the loop writes it before anything reads it.
    return np.where(known, images, 0), known
