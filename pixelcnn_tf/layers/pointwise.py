"""Layers and functions that look at one pixel alone: PReLU, class biases, gates."""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count


def gate(x, n_channels: int):
    """``tanh(a) * sigmoid(b)`` of two halves of the features of each channel group.

    Args:
        x: ``[..., 2 * features]``; in each of the ``n_channels`` groups first a, then b.

    Returns:
        ``[..., features]``.

    Source: arXiv 1606.05328, equation 2.
    """
    parts = tf.split(x, 2 * n_channels, axis=-1)
    a, b = (tf.concat(parts[at::2], axis=-1) for at in range(2))
    return tf.tanh(a) * tf.sigmoid(b)


@keras.saving.register_keras_serializable(package=PACKAGE)
class PReLU(IncrementalLayer, keras.layers.PReLU):
    """``x`` where positive, else ``slope * x``, with one slope a feature, 0.25 at first.

    Args:
        n_channels: channels per pixel.

    Input and output: ``[batch, height, width, features]``, features a multiple of
    ``n_channels``.

    Source: He et al. 2015, arXiv 1502.01852, equation 1.
    """

    def __init__(self, n_channels: int = 3, **kwargs):
        slope = keras.initializers.Constant(0.25)
        super().__init__(**{"alpha_initializer": slope, "shared_axes": [1, 2], **kwargs})
        self.n_channels = n_channels

    def incremental_weights(self):
        return tf.split(tf.cast(self.alpha[0], self.compute_dtype), self.n_channels, axis=-1)

    def step(self, x, pixels):
        return tf.where(x > 0, x, pixels[self].weights[pixels.channel] * x)

    def get_config(self):
        return {**super().get_config(), "n_channels": self.n_channels}


@keras.saving.register_keras_serializable(package=PACKAGE)
class ClassBias(IncrementalLayer, keras.layers.Layer):
    """Adds a learned bias for each class and feature to feature maps, zero at first.

    Args:
        n_classes: labels are 0 to ``n_classes - 1``.
        n_channels: channels per pixel.

    Input: features ``[batch, height, width, features]`` and integer labels ``[batch]``.
    Output: of the shape of the features.

    Raises:
        ValueError: fewer than one class.

    Source: arXiv 1606.05328, equation 4, where labels are one-hot vectors.
    """

    def __init__(self, n_classes: int, n_channels: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.n_classes = count("n_classes", n_classes)
        self.n_channels = n_channels

    def build(self, inputs_shape, labels_shape=None):
        shape = (self.n_classes, inputs_shape[-1])
        self.biases = self.add_weight(name="class_bias", shape=shape, initializer="zeros")
        self.built = True

    def call(self, inputs, labels):
        one_hot = tf.one_hot(labels, self.n_classes, dtype=self.compute_dtype)
        return inputs + (one_hot @ self.biases)[:, None, None]

    def init_state(self, schedule):
        """The bias of each lane, ``[lanes, features]``; labels do not change on the way."""
        biases = tf.cast(self.biases, self.compute_dtype)
        if schedule.labels is None:
            return tf.zeros([schedule.lanes, biases.shape[1]], biases.dtype)
        return tf.tile(tf.gather(biases, schedule.labels), [schedule.rows, 1])

    def step(self, x, pixels):
        return x + tf.split(pixels[self].state, self.n_channels, axis=-1)[pixels.channel]

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return inputs_shape

    def get_config(self):
        config = {"n_classes": self.n_classes, "n_channels": self.n_channels}
        return {**super().get_config(), **config}


def concat_elu(x):
    """ELU of ``x`` and of ``-x``, twice the features (Shang et al. 2016, arXiv 1603.05201)."""
    return tf.nn.elu(tf.concat([x, -x], axis=-1))
