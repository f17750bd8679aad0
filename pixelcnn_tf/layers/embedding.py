"""Learned features of the values of sub-pixels, for values whose order means nothing."""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer
from pixelcnn_tf.layers.schedule import ActivePixels
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count
from pixelcnn_tf.utils.values import checked_n_values


@keras.saving.register_keras_serializable(package=PACKAGE)
class ValueEmbedding(IncrementalLayer, keras.layers.Layer):
    """A table of learned features: one row for each value of each channel.

    The features of a channel are its channel group, so that masks treat them like the value. They
    are drawn with mean 0 and standard deviation 1 initially.

    Args:
        n_values: number of values of a sub-pixel.
        size: features per channel.
        n_channels: number of channels per pixel.

    Input: values ``[batch, height, width, n_channels]``, 0 to ``n_values - 1``, of any numeric
    dtype. NaN gives NaN.
    Output: ``[batch, height, width, n_channels * size]``, in the layer's compute dtype.

    Raises:
        ValueError: a number out of range.

    Source: Bengio et al. 2003, Journal of Machine Learning Research 3, section 2, for words.

    Example:
        >>> from pixelcnn_tf.layers.embedding import ValueEmbedding
        >>> layer = ValueEmbedding(n_values=512, size=6, n_channels=2)
        >>> layer(tf.constant([[[[7, 511]]]])).shape
        TensorShape([1, 1, 1, 12])
    """

    def __init__(self, n_values: int, size: int, n_channels: int = 3, **kwargs):
        # Values are no features: in bfloat16, 511 would be 512.
        super().__init__(autocast=False, **kwargs)
        self.n_values = checked_n_values(n_values)
        self.size = count("size", size)
        self.n_channels = count("n_channels", n_channels)

    def build(self, input_shape):
        self.table = self.add_weight(
            name="table",
            shape=(self.n_channels, self.n_values, self.size),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.built = True

    def call(self, inputs):
        # The gradient of the reshaped table is dense, which every optimizer can use.
        table = tf.reshape(tf.cast(self.table, self.compute_dtype), [-1, self.size])
        features = look_up(table, _whole(inputs), self.n_values)
        if inputs.dtype.is_floating:
            nan = tf.cast(float("nan"), features.dtype)
            wrong = tf.repeat(tf.math.is_nan(inputs), self.size, axis=-1)
            features = tf.where(wrong, nan, features)
        return features

    def incremental_weights(self):
        return tf.cast(self.table, self.compute_dtype)

    def step(self, x, pixels: ActivePixels):
        """Returns the features ``[lanes, size]`` of the values ``[lanes]`` of
        ``pixels.channel``."""
        return tf.gather(pixels[self].weights[pixels.channel], _whole(x))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.n_channels * self.size)

    def get_config(self):
        config = {"n_values": self.n_values, "size": self.size, "n_channels": self.n_channels}
        return {**super().get_config(), **config}


def look_up(table: tf.Tensor, values: tf.Tensor, n_values: int) -> tf.Tensor:
    """Returns the rows of a table for the values of several channels, next to each other.

    Args:
        table: ``[channels * n_values, size]``, the rows of one channel after another.
        values: int32 ``[..., channels]``, 0 to ``n_values - 1``.
        n_values: number of values.

    Returns:
        ``[..., channels * size]``.

    Example:
        >>> from pixelcnn_tf.layers.embedding import look_up
        >>> look_up(tf.eye(4), tf.constant([[0, 1]]), n_values=2).numpy().tolist()
        [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    """
    channels = values.shape[-1]
    features = tf.gather(table, values + n_values * tf.range(channels))
    shape = tf.concat([tf.shape(values)[:-1], [channels * table.shape[-1]]], axis=0)
    return tf.reshape(features, shape)


def _whole(values) -> tf.Tensor:
    """Returns values as int32, and 0 for NaN."""
    if values.dtype.is_floating:
        values = tf.where(tf.math.is_nan(values), tf.zeros_like(values), values)
    return tf.cast(values, tf.int32)
