"""The softmax over all earlier entries, in parts, and its memory."""

import itertools

import numpy as np
import tensorflow as tf

from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.machine import memory

#: The scores of what may not be attended to: their exponentials are zero.
NEVER = -1e30

#: The queries are divided into at most so many parts.
_MOST_PARTS = 32


def check_memory(n_heads: int, height: int | tf.Tensor, width: int | tf.Tensor) -> None:
    """Raises UserError if the scores of one image are too large; see ``CausalAttention``.

    Example:
        >>> check_memory(1, 32, 32)
    """
    if not (isinstance(height, int) and isinstance(width, int)):
        return
    needed = 4 * n_heads * (height * width) ** 2 // _MOST_PARTS
    if needed > memory() // 4:
        raise UserError(
            f"images of {height}x{width}: attention with n_heads={n_heads} needs "
            f"{needed / 1e9:,.1f} GB for the scores of one image, more than a quarter of the "
            f"{memory() / 1e9:,.1f} GB of memory here; use smaller images, or blocks without "
            "attention"
        )


def attend(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Returns ``softmax(q k' / sqrt(d)) v`` over the entries before each; zero for the first.

    Scores are computed for a part of the queries at a time, with the keys before them only, and
    again for the gradient, so that the memory does not grow with the square of the entries.

    Args:
        query, key: float32 ``[batch, heads, n, d]``.
        value: float32 ``[batch, heads, n, features]``.

    Returns:
        float32 ``[batch, heads, n, features]``.

    Source: the parts and the gradient as in Dao et al. 2022, arXiv 2205.14135, section 3.1.

    Example:
        >>> from pixelcnn_tf.layers.attend import attend
        >>> value = tf.constant([1.0, 3.0, 100.0])[None, None, :, None]
        >>> attend(tf.zeros([1, 1, 3, 2]), tf.zeros([1, 1, 3, 2]), value)[0, 0, :, 0].numpy()
        array([0., 1., 2.], dtype=float32)
    """
    return _attend(query, key, value)


@tf.custom_gradient
def _attend(query, key, value):
    scale = query.shape[-1] ** -0.5
    n = query.shape[2] or tf.shape(query)[2]
    parts = _parts(n)
    query = query * scale

    def shares(first, stop):
        # The last query of the part sees the keys before ``stop - 1``.
        scores = tf.matmul(query[:, :, first:stop], key[:, :, : stop - 1], transpose_b=True)
        later = tf.range(stop - 1)[None] >= tf.range(first, stop)[:, None]
        return tf.nn.softmax(scores + tf.where(later, NEVER, 0.0))

    def padded(x, front, back):
        return tf.pad(x, [[0, 0], [0, 0], [front, back], [0, 0]])

    attended = [tf.matmul(shares(*part), value[:, :, : part[1] - 1]) for part in parts]
    outputs = padded(tf.concat(attended, axis=2), 1, 0) if attended else tf.zeros_like(value)

    def gradient(upstream):
        if not parts:
            return tf.zeros_like(query), tf.zeros_like(key), tf.zeros_like(value)
        of_query, of_key, of_value = [], [], []
        common = tf.reduce_sum(upstream * outputs, axis=-1, keepdims=True)
        for first, stop in parts:
            # Otherwise TensorFlow would keep the shares of the first evaluation in memory.
            with tf.control_dependencies([upstream]):
                p = shares(first, stop)
            above = upstream[:, :, first:stop]
            of_p = tf.matmul(above, value[:, :, : stop - 1], transpose_b=True)
            of_scores = p * (of_p - common[:, :, first:stop])
            of_query.append(tf.matmul(of_scores, key[:, :, : stop - 1]))
            in_part = query[:, :, first:stop]
            later = n - stop + 1
            of_key.append(padded(tf.matmul(of_scores, in_part, transpose_a=True), 0, later))
            of_value.append(padded(tf.matmul(p, above, transpose_a=True), 0, later))
        of_query = padded(tf.concat(of_query, axis=2), 1, 0) * scale
        return of_query, tf.add_n(of_key), tf.add_n(of_value)

    return outputs, gradient


def _parts(n) -> list[tuple]:
    """The queries from 1 to ``n - 1`` in parts, as (first, stop): as many as keep the scores of a
    part small, and the work on pixels that are not seen."""
    if not isinstance(n, int):
        return [(1, n)]
    n_parts = min(_MOST_PARTS, max(1, n // 100, n * n // 2**20), max(0, n - 1))
    ends = np.linspace(1, n, n_parts + 1).astype(int).tolist()
    return list(itertools.pairwise(ends))
