"""Draw images from a model, or fill in what is missing from given ones."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from pixelcnn_tf.models.inputs import check_images, check_model, check_size, labels_for
from pixelcnn_tf.sampling.loops import Results, Tables, cut_weights, stateless_uniforms
from pixelcnn_tf.sampling.scheduler import (
    PlainBatch,
    RasterBatch,
    advance,
    cut,
    images_of,
    memory_errors,
    table_of,
)
from pixelcnn_tf.utils.errors import UserError, suggestion

METHODS = ("raster", "plain")


def generate_images(
    model,
    image_size: int | tuple[int, int],
    n_images: int,
    seed: int,
    initial_images=None,
    temperature: float = 1.0,
    known=None,
    progress: Callable[[int, int], None] | None = None,
    top_p: float = 1.0,
    method: str = "raster",
    batch_size: int | None = None,
    jit_compile: bool | None = None,
    labels=None,
) -> np.ndarray:
    """Images drawn from ``model``, one sub-pixel after another, the first one too.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus`` (or any model with ``likelihood`` and
            ``n_channels``).
        image_size: side, or ``(height, width)``.
        n_images: how many.
        seed: the same seed draws the same images; image ``i`` of a seed is the same
            whatever ``n_images``, ``batch_size`` and ``method`` are, up to float rounding.
        initial_images: integers ``[height, width, channels]`` (for all) or ``[n_images,
            height, width, channels]``, for completion.
        temperature: divides the logits (of a mixture: the log-probabilities), 0.001 to 1000; 1
            draws from the model itself.
        known: booleans of the shape of ``initial_images`` or ``[height, width]``: which
            of its sub-pixels are kept as they are. The rest is drawn.
        progress: called with (pixels done, pixels in all) several times, in this thread.
        top_p: draw each sub-pixel from its likeliest values only, the fewest that have this
            probability together; 0.000001 to 1, which draws from all.
        method: ``'raster'`` runs every weight once a pixel (see raster.py); ``'plain'`` runs
            the whole model again for every sub-pixel, and takes any model.
        batch_size: images a batch (on a CPU, a batch a core at once); if not given, what is
            fast and fits memory.
        jit_compile: with XLA or without it; if not given, with it where it works.
        labels: of a class-conditional model: one integer for all images or ``[n_images]``,
            0 to ``n_classes - 1``.

    Returns:
        uint8 ``[n_images, height, width, channels]``, values 0 to ``n_values - 1``. Each
        sub-pixel is drawn given exactly the values returned before it.

    Raises:
        UserError: an argument that is out of range or does not fit the others, or a batch
            that does not fit memory.
    """
    check_model(model)
    shape = _image_shape(model, image_size, n_images)
    _check_settings(model, seed, temperature, top_p, method, batch_size)
    labels = labels_for(model, labels, int(n_images))
    batch, workers = cut(model, shape, method, batch_size)
    images, known = _initial_state(model, shape, initial_images, known)
    n_pixels, n_dims = math.prod(shape[1:3]), math.prod(shape[1:])
    weights = cut_weights(model) if method == "raster" else None

    def start(first: int) -> PlainBatch | RasterBatch:
        part = slice(first, first + batch)
        uniforms = stateless_uniforms(seed, first, batch, n_dims)
        tables = Tables(
            images=tf.constant(table_of(images[part], batch), tf.float32),
            known=tf.constant(table_of(known[part], batch)) if known.any() else None,
            uniforms=tf.constant(table_of(uniforms.numpy().reshape(-1, *shape[1:]), batch)),
            temperature=None if temperature == 1 else tf.constant(temperature, tf.float32),
            top_p=None if top_p == 1 else tf.constant(top_p, tf.float32),
            labels=None if labels is None else _padded(labels[part], batch),
        )
        unknown = np.flatnonzero(~known[part].all(axis=0))
        if method == "plain":
            return PlainBatch(model, shape[1:3], tables, unknown)
        return RasterBatch(model, shape[1:3], tables, unknown, weights, jit_compile)

    out = np.empty(shape, np.uint8)
    together = batch * workers
    with ThreadPoolExecutor(workers) as pool, memory_errors(shape, batch):
        for first in range(0, n_images, together):
            last = min(first + together, n_images)
            batches = {i: start(i) for i in range(first, last, batch)}
            for share in advance(list(batches.values()), pool):
                if progress is not None:
                    done = first + share * (last - first)
                    progress(round(done * n_pixels), n_images * n_pixels)
            for i, part in batches.items():
                out[i : i + batch] = images_of(part.results.images.numpy(), *shape[1:3])[: last - i]
    return out


def teacher_forced_logits(
    model, images, jit_compile: bool | None = None, labels=None
) -> np.ndarray:
    """The logits of given images the raster way: ``model(images)`` by other means, for tests that
    hold the two together.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        images: integers ``[batch, height, width, channels]``, 0 to ``n_values - 1``.
        jit_compile, labels: as in ``generate_images``.

    Returns:
        float32 ``[batch, height, width, channels, n_params]``.

    Raises:
        UserError: images of another shape; labels as in ``generate_images``.
    """
    check_model(model)
    images = check_images(model, images)
    size = images.shape[1:3]
    labels = labels_for(model, labels, len(images))
    tables = Tables(
        images=tf.constant(table_of(images, len(images)), tf.float32),
        labels=None if labels is None else tf.constant(labels),
    )
    results = Results(tables.images, tf.zeros([*tables.images.shape, model.likelihood.n_params]))
    everything = np.arange(images[0].size)
    weights = cut_weights(model)
    batch = RasterBatch(model, size, tables, everything, weights, jit_compile, results)
    batch.advance(batch.n_steps)
    return images_of(batch.results.logits.numpy(), *size)


def has_raster_way(model) -> bool:
    """Whether ``model`` and all its blocks have a ``step``."""
    blocks = getattr(model, "blocks", [])
    return all(callable(getattr(part, "step", None)) for part in [model, *blocks])


def _padded(labels: np.ndarray, batch: int) -> tf.Tensor:
    return tf.constant(np.pad(labels, [0, batch - len(labels)]))


def _check_settings(model, seed, temperature, top_p, method, batch_size) -> None:
    if not _is_whole(seed):
        raise UserError(f"seed={seed!r}: must be an integer")
    if not -(2**31) <= seed < 2**31:
        raise UserError(f"seed={seed}: must fit in 32 bits")
    if not _is_number(temperature) or not 1e-3 <= temperature <= 1e3:
        raise UserError(f"temperature={temperature!r}: must be a number from 0.001 to 1000")
    if not _is_number(top_p) or not 1e-6 <= top_p <= 1:
        raise UserError(f"top_p={top_p!r}: must be a number from 0.000001 to 1")
    if batch_size is not None and (not _is_whole(batch_size) or batch_size < 1):
        raise UserError(f"batch_size={batch_size!r}: must be an integer from 1 up")
    if method not in METHODS:
        raise UserError(
            f"method={method!r}: must be 'raster' or 'plain'{suggestion(str(method), METHODS)}"
        )
    if method == "raster" and not has_raster_way(model):
        raise UserError(
            "method='raster': the model or its blocks have no step(x, pixels), see "
            "pixelcnn_tf/layers/incremental.py; use method='plain'"
        )


def _is_whole(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _image_shape(model, image_size, n_images) -> tuple[int, int, int, int]:
    size = image_size if isinstance(image_size, (tuple, list)) else (image_size,) * 2
    if len(size) != 2 or not all(_is_whole(s) and s > 0 for s in size):
        raise UserError(
            f"image_size={image_size!r}: must be a positive integer or a pair (height, width)"
        )
    if not _is_whole(n_images) or n_images < 1:
        raise UserError(f"n_images={n_images!r}: must be an integer from 1 up")
    check_size(model, *size)
    return int(n_images), int(size[0]), int(size[1]), model.n_channels


def _initial_state(model, shape, initial_images, known) -> tuple[np.ndarray, np.ndarray]:
    """Checked images and mask of known sub-pixels, both of the whole ``shape``."""
    if (initial_images is None) != (known is None):
        raise UserError("initial_images and known: give both, or neither")
    if initial_images is None:
        return np.zeros(shape, np.uint8), np.zeros(shape, bool)
    try:
        images, known = np.asarray(initial_images), np.asarray(known)
    except ValueError:  # lists of unlike lengths
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
