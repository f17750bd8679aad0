"""Cumulative distributions of few values, from their probabilities."""

import math

import tensorflow as tf


def nucleus(probabilities: tf.Tensor, top_p: float | tf.Tensor) -> tf.Tensor:
    """Sets the probabilities of all but the most likely values to zero.

    Args:
        probabilities: float32 ``[..., n]``.
        top_p: scalar in (0, 1); the smallest set of values whose sum reaches it is kept.

    Returns:
        float32 ``[..., n]``, not normalized to a sum of 1.

    Source: Holtzman et al. 2019, arXiv 1904.09751, section 3.1.

    Example:

    >>> from pixelcnn_tf.likelihoods.cumulative import nucleus
    >>> nucleus(tf.constant([0.5, 0.25, 0.125, 0.125]), 0.6).numpy().tolist()
    [0.5, 0.25, 0.0, 0.0]
    """
    falling = tf.sort(probabilities, direction="DESCENDING")
    needed = tf.cumsum(falling, axis=-1, exclusive=True) < top_p
    least = tf.reduce_min(tf.where(needed, falling, 1.0), axis=-1, keepdims=True)
    least = tf.minimum(least, falling[..., :1])  # one value is kept even for the smallest top_p
    return tf.where(probabilities >= least, probabilities, 0.0)


def inverse_cumulative(probabilities: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Returns the values at which the cumulative distribution exceeds ``uniforms``.

    The search is for a block of values first and then within the block.

    Args:
        probabilities: float32 ``[..., n]``; they need not sum to 1.
        uniforms: float32 ``[...]`` in [0, 1).

    Returns:
        float32 ``[...]``, whole numbers from 0 to ``n - 1``.

    Example:

    >>> from pixelcnn_tf.likelihoods.cumulative import inverse_cumulative
    >>> probabilities = tf.constant([[0.25, 0.25, 0.5]] * 3)
    >>> inverse_cumulative(probabilities, tf.constant([0.1, 0.3, 0.9])).numpy().tolist()
    [0.0, 1.0, 2.0]
    """
    blocks, ends = in_blocks(probabilities)
    size = blocks.shape[-1]
    # The rounded sum may differ from 1: scale the uniforms, not the probabilities.
    target = tf.reshape(uniforms, [-1, 1]) * ends[:, -1:]
    block = _count(ends <= target)
    start = tf.gather(tf.pad(ends, [[0, 0], [1, 0]]), block, batch_dims=1)
    within = tf.cumsum(tf.gather(blocks, block, batch_dims=1), axis=-1) + start[:, None]
    # It may stay below the target because of rounding: stop at the last value that adds to it.
    value = _count((within <= target) & (within < within[:, -1:]))
    return tf.reshape(tf.cast(block * size + value, tf.float32), tf.shape(uniforms))


def in_blocks(probabilities: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Divides the probabilities of ``n`` values into blocks of about ``sqrt(n)``, because a
    cumulative sum over 256 values would take longer than the softmax.

    Args:
        probabilities: float32 ``[..., n]``.

    Returns:
        the blocks ``[m, n_blocks, size]``, filled up with zeros, and the cumulative sums at their
            ends, ``[m, n_blocks]``; ``m`` is the product of the other axes.

    Example:

    >>> from pixelcnn_tf.likelihoods.cumulative import in_blocks
    >>> blocks, ends = in_blocks(tf.constant([[0.25, 0.25, 0.5]]))
    >>> blocks.shape, ends.numpy().tolist()
    (TensorShape([1, 2, 2]), [[0.5, 1.0]])
    """
    n = probabilities.shape[-1]
    size = math.isqrt(n - 1) + 1
    n_blocks = -(-n // size)
    flat = tf.reshape(probabilities, [-1, n])
    blocks = tf.reshape(tf.pad(flat, [[0, 0], [0, n_blocks * size - n]]), [-1, n_blocks, size])
    return blocks, tf.cumsum(tf.reduce_sum(blocks, axis=-1), axis=-1)


def _count(conditions):
    return tf.reduce_sum(tf.cast(conditions, tf.int32), axis=-1)
