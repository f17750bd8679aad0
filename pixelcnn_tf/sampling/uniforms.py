"""The random numbers of the sampler: functions of the seed and the place of the image."""

import tensorflow as tf


@tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.int32)] * 4)
def stateless_uniforms(
    seed: tf.Tensor, first: tf.Tensor, n_images: tf.Tensor, n_dims: tf.Tensor
) -> tf.Tensor:
    """float32 ``[n_images, n_dims]`` in [0, 1), row ``i`` a function of seed and ``first + i``.

    Made of integer bits: TensorFlow's float draws differ between compiled and plain graphs.

    Example:
        >>> seed, n_dims = tf.constant(7), tf.constant(3)
        >>> all_rows = stateless_uniforms(seed, tf.constant(0), tf.constant(5), n_dims)
        >>> last_rows = stateless_uniforms(seed, tf.constant(3), tf.constant(2), n_dims)
        >>> bool(tf.reduce_all(all_rows[3:] == last_rows))
        True
    """

    images = first + tf.range(n_images)
    return uniforms_of(tf.stack([tf.fill([n_images], seed), images], axis=1), n_dims)


def uniforms_of(keys: tf.Tensor, n_dims: tf.Tensor | int) -> tf.Tensor:
    """float32 ``[n_images, n_dims]`` in [0, 1): for each image a row that depends on its key.

    Args:
        keys: int32 ``[n_images, 2]``: the seed, and which image of this seed it is.
        n_dims: number of sub-pixels of an image.

    Example:
        >>> uniforms = stateless_uniforms(*map(tf.constant, (7, 0, 5, 3)))
        >>> bool(tf.reduce_all(uniforms_of(tf.constant([[7, 4]]), 3) == uniforms[4:]))
        True
    """

    def row(key):
        shape = tf.reshape(n_dims, [1])
        return tf.random.stateless_uniform(shape, key, None, None, tf.uint32, alg="philox")

    rows = tf.TensorSpec([None], tf.uint32)
    bits = tf.map_fn(row, keys, fn_output_signature=rows)
    return tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) * 2.0**-24
