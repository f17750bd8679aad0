"""Layers and functions of single pixels: PReLU, dropout, class biases, gates."""

from collections.abc import Callable

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer
from pixelcnn_tf.layers.schedule import ActivePixels, Schedule
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count


def gate(x: tf.Tensor, n_channels: int, activation: Callable | None = tf.tanh) -> tf.Tensor:
    """Returns ``activation(a) * sigmoid(b)`` of the two halves a and b of each channel group.

    Args:
        x: ``[..., 2 * features]``; in each of the ``n_channels`` groups first a, then b.
        n_channels: number of channel groups.
        activation: a function of features; None to take them as they are.

    Returns:
        ``[..., features]``.

    Source: arXiv 1606.05328, equation 2.

    Example:
        >>> from pixelcnn_tf.layers.pointwise import gate
        >>> gate(tf.zeros([2, 12]), n_channels=3).shape
        TensorShape([2, 6])
    """
    parts = tf.split(x, 2 * n_channels, axis=-1)
    a, b = (tf.concat(parts[at::2], axis=-1) for at in range(2))
    return (a if activation is None else activation(a)) * tf.sigmoid(b)


@keras.saving.register_keras_serializable(package=PACKAGE)
class PReLU(IncrementalLayer, keras.layers.PReLU):
    """``x`` where positive, else ``slope * x``, with one slope per feature, initially 0.25.

    Args:
        n_channels: number of channels per pixel.

    Input and output: ``[batch, height, width, features]``, features a multiple of
    ``n_channels``.

    Source: He et al. 2015, arXiv 1502.01852, equation 1.

    Example:
        >>> from pixelcnn_tf.layers.pointwise import PReLU
        >>> PReLU(n_channels=1)(tf.constant([[[[-2.0, 2.0]]]])).numpy().tolist()
        [[[[-0.5, 2.0]]]]
    """

    def __init__(self, n_channels: int = 3, **kwargs):
        slope = keras.initializers.Constant(0.25)
        super().__init__(**{"alpha_initializer": slope, "shared_axes": [1, 2], **kwargs})
        self.n_channels = n_channels

    def incremental_weights(self):
        return tf.split(tf.cast(self.alpha[0], self.compute_dtype), self.n_channels, axis=-1)

    def step(self, x, pixels: ActivePixels):
        return tf.where(x > 0, x, pixels[self].weights[pixels.channel] * x)

    def get_config(self):
        return {**super().get_config(), "n_channels": self.n_channels}


@keras.saving.register_keras_serializable(package=PACKAGE)
class Dropout(keras.layers.Dropout):
    """Keras's dropout, with other masks on every device: Keras draws the same on all of them.

    Args:
        rate: the fraction of features that is dropped.

    Input and output: of any shape.

    Source: Srivastava et al. 2014, Journal of Machine Learning Research 15, section 4.

    Example:
        >>> from pixelcnn_tf.layers.pointwise import Dropout
        >>> dropped = Dropout(0.5)(tf.ones([1000]), training=True)
        >>> sorted(set(dropped.numpy().tolist()))
        [0.0, 2.0]
    """

    def call(self, inputs, training=False):
        context = tf.distribute.get_replica_context()  # None outside of ``strategy.run``
        dropping = training and self.rate and not self.noise_shape
        if context is None or context.num_replicas_in_sync == 1 or not dropping:
            return super().call(inputs, training=training)
        seed = tf.convert_to_tensor(self.seed_generator.next())
        # The second number counts the calls. Seeds that people choose do not differ by 2**20 + 7.
        shift = tf.cast(context.replica_id_in_sync_group, seed.dtype) * (2**20 + 7)
        seed += tf.stack([shift, tf.zeros_like(shift)])
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ClassBias(IncrementalLayer, keras.layers.Layer):
    """Adds a learned bias for each class and feature to feature maps, initially zero.

    Args:
        n_classes: labels are 0 to ``n_classes - 1``.
        n_channels: number of channels per pixel.

    Input: features ``[batch, height, width, features]`` and integer labels ``[batch]``.
    Output: of the shape of the features.

    Raises:
        ValueError: fewer than one class.

    Source: arXiv 1606.05328, equation 4, where labels are one-hot vectors.

    Example:
        >>> from pixelcnn_tf.layers.pointwise import ClassBias
        >>> layer = ClassBias(n_classes=10, n_channels=1)
        >>> layer(tf.zeros([2, 4, 4, 6]), tf.constant([3, 7])).shape
        TensorShape([2, 4, 4, 6])
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

    def init_state(self, schedule: Schedule):
        """The bias of each lane, ``[lanes, features]``; the labels stay the same."""
        biases = tf.cast(self.biases, self.compute_dtype)
        if schedule.labels is None:
            return tf.zeros([schedule.lanes, biases.shape[1]], biases.dtype)
        return tf.tile(tf.gather(biases, schedule.labels), [schedule.rows, 1])

    def step(self, x, pixels: ActivePixels):
        return x + tf.split(pixels[self].state, self.n_channels, axis=-1)[pixels.channel]

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return inputs_shape

    def get_config(self):
        config = {"n_classes": self.n_classes, "n_channels": self.n_channels}
        return {**super().get_config(), **config}


def concat_elu(x: tf.Tensor) -> tf.Tensor:
    """Returns the ELU of ``x`` and of ``-x``, ``[..., 2 * features]``.

    Source: Salimans et al. 2017, arXiv 1701.05517, section 2.5; for ReLU Shang et al. 2016, arXiv
    1603.05201.

    Example:
        >>> from pixelcnn_tf.layers.pointwise import concat_elu
        >>> concat_elu(tf.constant([1.0, 2.0])).numpy().round(2).tolist()
        [1.0, 2.0, -0.63, -0.86]
    """
    return _concat_elu(x)


@tf.custom_gradient
def _concat_elu(x: tf.Tensor):
    # TensorFlow's gradient of the concatenation looks up shapes and cuts slices.
    outputs = tf.nn.elu(tf.concat([x, -x], axis=-1))

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        inner = tf.raw_ops.EluGrad(gradients=upstream, outputs=outputs)
        of_x, of_minus_x = tf.split(inner, 2, axis=-1)
        return of_x - of_minus_x

    return outputs, gradient
