"""Draw images from a model, or fill in what is missing from given ones."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pixelcnn_tf.errors import UserError


def generate_images(
    model,
    image_size: int | tuple[int, int],
    n_images: int,
    seed: int,
    initial_images=None,
    temperature: float = 1.0,
    known=None,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Images drawn from ``model``, one sub-pixel after another, the first one too.

    Args:
        model: a ``PixelRNN`` (or any model with ``likelihood`` and ``n_channels``).
        image_size: side, or ``(height, width)``.
        n_images: how many.
        seed: the same seed draws the same images; image ``i`` of a seed is the same
            whatever ``n_images`` is, up to float rounding.
        initial_images: integers ``[height, width, channels]`` (for all) or ``[n_images,
            height, width, channels]``, for completion.
        temperature: divides the logits, 0.001 to 1000; 1 draws from the model itself.
        known: booleans of the shape of ``initial_images`` or ``[height, width]``: which
            of its sub-pixels are kept as they are. The rest is drawn.
        progress: called with (rows done, rows in all) after each row.

    Returns:
        uint8 ``[n_images, height, width, channels]``, values 0 to ``n_values - 1``. Each
        sub-pixel is drawn given exactly the values returned before it.

    Raises:
        UserError: an argument that is out of range or does not fit the others.
    """
    if not hasattr(model, "likelihood"):
        raise UserError(f"model={model!r:.80}: must be a PixelRNN, as load_model returns")
    shape = _image_shape(model, image_size, n_images)
    if not model.built:
        model.build((None, None, None, model.n_channels))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise UserError(f"seed={seed!r}: must be an integer")
    if not -(2**31) <= seed < 2**31:
        raise UserError(f"seed={seed}: must fit in 32 bits")
    number = isinstance(temperature, (int, float, np.number)) and not isinstance(temperature, bool)
    if not number or not 1e-3 <= temperature <= 1e3:
        raise UserError(f"temperature={temperature!r}: must be a number from 0.001 to 1000")
    images, known = _initial_state(model, shape, initial_images, known)

    first = _first_unknown(known)
    height, width, channels = shape[1:]
    row_size = width * channels
    images = tf.constant(images, tf.float32)
    known = tf.constant(known)
    uniforms = stateless_uniforms(tf.constant(seed), tf.constant(n_images), height * row_size)
    temperature = tf.constant(temperature, tf.float32)
    # One call draws everything; with a progress callback, one call a row.
    stops = [height * row_size]
    if progress is not None:
        stops = list(range(row_size, height * row_size + 1, row_size))
    for stop in stops:
        if first < stop:
            span = tf.constant(first), tf.constant(stop)
            images = _draw_range(model, images, known, uniforms, temperature, *span)
            first = stop
        if progress is not None:
            progress(stop // row_size, height)
    return images.numpy().astype(np.uint8)


@tf.function(autograph=False)
def stateless_uniforms(seed, n_images, n_dims: int) -> tf.Tensor:
    """float32 ``[n_images, n_dims]`` in [0, 1), row ``i`` a function of seed and ``i`` only.

    Made of integer bits: TensorFlow's float draws differ between compiled and plain graphs.
    """

    seed, n_images = tf.cast(seed, tf.int32), tf.cast(n_images, tf.int32)

    def row(i):
        return tf.random.stateless_uniform(
            [n_dims], tf.stack([seed, i]), None, None, tf.uint32, alg="philox"
        )

    bits = tf.map_fn(row, tf.range(n_images), fn_output_signature=tf.uint32)
    return tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) * 2.0**-24


@tf.function(autograph=False)
def _draw_range(model, images, known, uniforms, temperature, first, stop):
    """Draw the sub-pixels ``first <= i < stop`` (raster order) that are not known."""
    n, _, width, channels = images.shape
    # float32 state: it holds the values exactly, and scatters of it run on GPUs.
    batch = tf.range(n)

    def draw_one(i, images):
        row, column, channel = i // (width * channels), i // channels % width, i % channels
        logits = model(images[:, : row + 1], training=False)[:, row, column, channel]
        values = model.likelihood.draw(logits, uniforms[:, i], temperature)
        values = tf.where(known[:, row, column, channel], images[:, row, column, channel], values)
        where = [tf.fill([n], at) for at in (row, column, channel)]
        indices = tf.stack([batch, *where], axis=1)
        return i + 1, tf.tensor_scatter_nd_update(images, indices, values)

    loop = tf.while_loop(lambda i, _: i < stop, draw_one, (first, images), parallel_iterations=1)
    return loop[1]


def _image_shape(model, image_size, n_images) -> tuple[int, int, int, int]:
    size = image_size if isinstance(image_size, (tuple, list)) else (image_size,) * 2
    if len(size) != 2 or not all(isinstance(s, (int, np.integer)) and s > 0 for s in size):
        raise UserError(
            f"image_size={image_size!r}: must be a positive integer or a pair (height, width)"
        )
    if not isinstance(n_images, (int, np.integer)) or n_images < 1:
        raise UserError(f"n_images={n_images!r}: must be an integer from 1 up")
    return int(n_images), int(size[0]), int(size[1]), model.n_channels


def _initial_state(model, shape, initial_images, known) -> tuple[np.ndarray, np.ndarray]:
    """Checked images and mask of known sub-pixels, both of the whole ``shape``."""
    if (initial_images is None) != (known is None):
        raise UserError("initial_images and known: give both, or neither")
    if initial_images is None:
        return np.zeros(shape, np.uint8), np.zeros(shape, bool)
    images, known = np.asarray(initial_images), np.asarray(known)
    if known.dtype != bool:
        raise UserError(f"known: must hold booleans, not {known.dtype}")
    if known.ndim == 2:
        known = known[..., None]
    try:
        known = np.broadcast_to(known, shape)
        images = np.broadcast_to(images, shape)
    except ValueError:
        raise UserError(
            f"initial_images {images.shape} and known {known.shape}: must be {shape} (n_images, "
            f"height, width, channels) or {shape[1:]}; known also {shape[1:3]}"
        ) from None
    kept = images[known]
    n_values = model.likelihood.n_values
    if not np.issubdtype(images.dtype, np.integer) or (
        kept.size and (kept.min() < 0 or kept.max() >= n_values)
    ):
        raise UserError(
            f"initial_images: must hold integers from 0 to {n_values - 1}, the values of the "
            f"model; these are {images.dtype}"
            + (f" from {kept.min()} to {kept.max()}" if kept.size else "")
        )
    # What is not known must not show: the loop writes it before anything reads it.
    return np.where(known, images, 0), known


def _first_unknown(known: np.ndarray) -> int:
    """Raster index of the first sub-pixel that some image does not know."""
    unknown = ~known.all(axis=0).ravel()
    return int(unknown.argmax()) if unknown.any() else unknown.size
