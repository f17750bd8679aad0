"""Skewed maps, whose columns are the diagonals of an image (arXiv 1601.06759, section 3.2)."""

import tensorflow as tf


def skew(x: tf.Tensor) -> tf.Tensor:
    """Returns ``x`` ``[batch, height, width, features]`` with row i shifted by i columns to the
    right, padded with zeros: ``[batch, height, width + height - 1, features]``.

    Example:
        >>> from pixelcnn_tf.layers.skewing import skew, unskew
        >>> x = tf.constant([[1, 2], [3, 4]])[None, :, :, None]
        >>> skew(x)[0, :, :, 0].numpy().tolist()
        [[1, 2, 0], [0, 3, 4]]
        >>> unskew(skew(x), 2)[0, :, :, 0].numpy().tolist()
        [[1, 2], [3, 4]]
    """
    batch, height, width, features = sizes(x)
    # Each row is padded by one column too many: when the rows are laid end to end and divided
    # again, each begins one column later than the one before.
    longer = tf.reshape(tf.pad(x, [[0, 0], [0, 0], [0, height], [0, 0]]), [batch, -1, features])
    cut = first(longer, 1, height * (width + height - 1))
    skewed = tf.reshape(cut, [batch, height, width + height - 1, features])
    return tf.ensure_shape(skewed, [x.shape[0], x.shape[1], None, x.shape[3]])


def unskew(x: tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
    """Returns the input of ``skew``, which has ``width`` columns.

    Example:
        >>> from pixelcnn_tf.layers.skewing import skew, unskew
        >>> x = tf.random.normal([1, 3, 4, 2])
        >>> bool(tf.reduce_all(unskew(skew(x), 4) == x))
        True
    """
    batch, height, _, features = sizes(x)
    longer = tf.pad(tf.reshape(x, [batch, -1, features]), [[0, 0], [0, height], [0, 0]])
    rows = tf.reshape(longer, [batch, height, width + height, features])
    return tf.ensure_shape(first(rows, 2, width), [x.shape[0], x.shape[1], None, x.shape[3]])


def sizes(x: tf.Tensor) -> list:
    """Returns the sides of ``x``: integers where they are known, else scalar tensors.

    Example:
        >>> from pixelcnn_tf.layers.skewing import sizes
        >>> sizes(tf.zeros([2, 3]))
        [2, 3]
    """
    return [tf.shape(x)[i] if side is None else side for i, side in enumerate(x.shape)]


def first(x: tf.Tensor, axis: int, n: int | tf.Tensor) -> tf.Tensor:
    """Returns the first ``n`` entries of ``x`` along an axis. The gradient of ``x[:, :n]`` takes 10
    times as long as that of ``tf.slice``, which is a padding.

    Example:
        >>> from pixelcnn_tf.layers.skewing import first
        >>> first(tf.constant([[1, 2, 3]]), 1, 2).numpy().tolist()
        [[1, 2]]
    """
    # Sizes that XLA knows when it compiles: with others the result would have a dynamic shape.
    rank = len(x.shape)
    size = [n if i == axis % rank else -1 for i in range(rank)]
    return tf.slice(x, [0] * rank, size)
