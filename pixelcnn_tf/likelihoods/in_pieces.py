"""The log-probabilities of many values per sub-pixel, in little memory.

The logits of 16 images of 32x32 sub-pixels with 16,384 values each take 1 GB, and their gradient
as much again. Here the last layer, a product with a matrix, and the likelihood are evaluated for a
part of the pixels at a time. The backward pass evaluates them again, so that nothing of the size of
the logits is kept: Chen et al. 2016, arXiv 1604.06174, section 4.
"""

import tensorflow as tf

from pixelcnn_tf.likelihoods.base import Likelihood

#: The most logits that are evaluated at once: 64 MB in float32.
MOST_LOGITS = 1 << 24


def log_probs_in_pieces(
    likelihood: Likelihood,
    features: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor,
    values: tf.Tensor,
    most_logits: int = MOST_LOGITS,
) -> tf.Tensor:
    """Returns the log-probabilities of values, whose logits are ``features @ kernel + bias``.

    Args:
        likelihood: of sub-pixels.
        features: float32 ``[n, n_features]``, of ``n`` pixels.
        kernel: float32 ``[n_features, channels * n_params]``.
        bias: float32 ``[channels * n_params]``.
        values: ``[n, channels]``, as for ``Likelihood.log_probs``.
        most_logits: number of logits evaluated at once, but those of one pixel at least.

    Returns:
        float32 ``[n, channels]``, nats; with the gradient of the features, the kernel and the bias.

    Example:

    >>> from pixelcnn_tf.likelihoods.in_pieces import log_probs_in_pieces
    >>> softmax, bias = pixelcnn_tf.Softmax(1024), tf.zeros([3 * 1024])
    >>> features, kernel = tf.ones([50, 8]), tf.zeros([8, 3 * 1024])
    >>> log_probs = log_probs_in_pieces(softmax, features, kernel, bias, tf.zeros([50, 3]), 40_000)
    >>> log_probs.shape, round(float(log_probs[7, 2] / np.log(2)), 4)
    (TensorShape([50, 3]), -10.0)
    """
    n, channels = tf.shape(features)[0], values.shape[-1]
    size = max(1, most_logits // (channels * likelihood.n_params))
    if (known := features.shape[0]) is not None:  # pieces of equal sizes need little padding
        size = -(-known // max(1, -(-known // size)))
    n_pieces = -(-n // size)
    values = _pieces(values, n_pieces, size)

    def piece(values, features, kernel, bias):
        logits = tf.reshape(features @ kernel + bias, [size, channels, likelihood.n_params])
        return likelihood.log_probs(values, logits)

    @tf.custom_gradient
    def in_pieces(features, kernel, bias):
        log_probs = tf.map_fn(
            lambda i: piece(values[i], features[i], kernel, bias),
            tf.range(n_pieces),
            parallel_iterations=1,  # all at once would take the memory of all logits
            fn_output_signature=tf.TensorSpec([size, channels], tf.float32),
        )

        def gradient(upstream):
            def step(i, of_features, of_kernel, of_bias):
                inputs = features[i], kernel, bias
                with tf.GradientTape() as tape:
                    tape.watch(inputs)
                    outputs = piece(values[i], *inputs)
                own, *others = tape.gradient(outputs, inputs, upstream[i])
                return i + 1, of_features.write(i, own), of_kernel + others[0], of_bias + others[1]

            array = tf.TensorArray(tf.float32, n_pieces, element_shape=features.shape[1:])
            start = tf.constant(0), array, tf.zeros_like(kernel), tf.zeros_like(bias)
            loop = tf.while_loop(lambda i, *_: i < n_pieces, step, start, parallel_iterations=1)
            return loop[1].stack(), loop[2], loop[3]

        return log_probs, gradient

    log_probs = in_pieces(_pieces(features, n_pieces, size), kernel, bias)
    return tf.reshape(log_probs, [-1, channels])[:n]


def _pieces(rows: tf.Tensor, n_pieces, size: int) -> tf.Tensor:
    """Returns ``[n, k]`` as ``[n_pieces, size, k]``, filled up with zeros."""
    missing = n_pieces * size - tf.shape(rows)[0]
    padded = tf.pad(rows, [[0, missing], [0, 0]])
    return tf.reshape(padded, [n_pieces, size, rows.shape[-1]])
