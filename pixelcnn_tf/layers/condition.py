"""Layers of conditional models: the encoder of a condition, and its projection in each block.

A condition is a grid of integers that is known before the image: a greyscale version of it, a
smaller one, a map of edges. It is not masked: every output of a model may depend on all of it.
"""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.embedding import look_up
from pixelcnn_tf.layers.incremental import IncrementalLayer
from pixelcnn_tf.layers.pointwise import ClassBias
from pixelcnn_tf.layers.schedule import ActivePixels, Schedule
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count

#: The dilations of the convolutions of the encoder.
DILATIONS = (1, 2, 4)

#: The features of an embedded code.
CODE_FEATURES = 16


@keras.saving.register_keras_serializable(package=PACKAGE)
class ConditionEncoder(keras.layers.Layer):
    """Computes feature maps of the size of the image from a condition: the function m of equation
    5 in arXiv 1606.05328.

    Layers, in order: scaling of values 0 to 255 to [-1, 1], or an embedding of codes; 3x3
    convolutions with dilations 1, 2 and 4, each with a ReLU, the second and the third added to
    their inputs; where the condition is smaller than the image, a transposed convolution with a
    kernel and strides of ``factor``, and a ReLU. Without it, features depend on the 15x15 values
    of the condition around them.

    Args:
        filters: number of feature maps.
        n_condition_channels: channels of the condition.
        factor: the image is this many times as high and as wide as the condition.
        n_codes: number of codes; None for values 0 to 255.

    Input: integers ``[batch, height, width, n_condition_channels]`` of any numeric dtype, 0 to 255
    or 0 to ``n_codes - 1``.
    Output: ``[batch, factor * height, factor * width, filters]``, not negative.

    Raises:
        ValueError: a number that is not an integer from 1 up.

    Source: arXiv 1606.05328, section 2.3; the dilations are those of arXiv 1511.07122.

    Example:
        >>> from pixelcnn_tf.layers.condition import ConditionEncoder
        >>> encoder = ConditionEncoder(filters=6, n_condition_channels=1, factor=4)
        >>> encoder(np.zeros([2, 8, 8, 1], np.uint8)).shape
        TensorShape([2, 32, 32, 6])
    """

    def __init__(
        self,
        filters: int,
        n_condition_channels: int,
        factor: int = 1,
        n_codes: int | None = None,
        **kwargs,
    ):
        # Codes are no features: in bfloat16, 511 would be 512.
        super().__init__(**{"autocast": False, **kwargs})
        self.filters = count("filters", filters)
        self.n_condition_channels = count("n_condition_channels", n_condition_channels)
        self.factor = count("condition_factor", factor)
        self.n_codes = None if n_codes is None else count("n_condition_codes", n_codes)

        def conv(name, n_filters, size=3, dilation=1):
            return keras.layers.Conv2D(
                n_filters,
                size,
                padding="same",
                dilation_rate=dilation,
                activation="relu",
                kernel_initializer="he_normal",
                name=name,
                dtype=self.dtype_policy,
            )

        self.convs = [conv(f"conv_{i + 1}", filters, 3, d) for i, d in enumerate(DILATIONS)]
        self.grow = conv("grow", filters * factor**2, 1) if self.factor > 1 else None

    def build(self, condition_shape):
        features = self.n_condition_channels
        if self.n_codes is not None:
            shape = (self.n_condition_channels * self.n_codes, CODE_FEATURES)
            initializer = keras.initializers.RandomNormal(stddev=1.0)
            self.codes = self.add_weight(name="codes", shape=shape, initializer=initializer)
            features *= CODE_FEATURES
        for conv in self.convs:
            conv.build((None, None, None, features))
            features = self.filters
        if self.grow is not None:
            self.grow.build((None, None, None, features))
        self.built = True

    def call(self, condition):
        first, *others = self.convs
        x = first(self._scaled(condition))
        for conv in others:
            x = x + conv(x)
        return x if self.grow is None else tf.nn.depth_to_space(self.grow(x), self.factor)

    def _scaled(self, condition):
        if self.n_codes is None:
            x = tf.cast(condition, tf.float32) * (2.0 / 255) - 1.0
            return tf.cast(x, self.compute_dtype)
        table = tf.cast(self.codes, self.compute_dtype)
        return look_up(table, tf.cast(condition, tf.int32), self.n_codes)

    def compute_output_shape(self, condition_shape):
        n, height, width, _ = condition_shape
        sides = (side and side * self.factor for side in (height, width))
        return (n, *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "n_condition_channels": self.n_condition_channels,
            "factor": self.factor,
            "n_codes": self.n_codes,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class ConditionBias(IncrementalLayer, keras.layers.Layer):
    """Adds a 1x1 convolution of the features of a condition to feature maps: the terms V * s of
    equation 5 in arXiv 1606.05328. Its weights are initially zero, as class biases are.

    Args:
        n_features: features of the condition.
        n_channels: number of channels per pixel.

    Input: features ``[batch, height, width, features]``, and those of the condition ``[batch,
    height, width, n_features]``, from ``ConditionEncoder``.
    Output: of the shape of the features.

    Incremental evaluation looks up the features of the active pixels and multiplies them with the
    weights. A layer in ``lookahead_layers`` adds them to what is evaluated ahead.

    Raises:
        ValueError: fewer than one feature.

    Source: arXiv 1606.05328, equation 5.

    Example:
        >>> from pixelcnn_tf.layers.condition import ConditionBias
        >>> layer = ConditionBias(n_features=5, n_channels=1)
        >>> layer(tf.zeros([2, 4, 4, 6]), tf.zeros([2, 4, 4, 5])).shape
        TensorShape([2, 4, 4, 6])
    """

    def __init__(self, n_features: int, n_channels: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.n_features = count("n_features", n_features)
        self.n_channels = n_channels

    def build(self, inputs_shape, condition_shape=None):
        shape = (1, 1, self.n_features, inputs_shape[-1])
        self.projection = self.add_weight(name="projection", shape=shape, initializer="zeros")
        self.built = True

    def call(self, inputs, condition):
        kernel = tf.cast(self.projection, self.compute_dtype)
        return inputs + tf.nn.conv2d(tf.cast(condition, kernel.dtype), kernel, 1, "VALID")

    def incremental_weights(self):
        return tf.cast(self.projection[0, 0], self.compute_dtype)

    def init_state(self, schedule: Schedule):
        """The features of the condition at each pixel, ``[height * width + 1, batch,
        n_features]``: zeros in the last row, for pixels outside of the image."""
        shape = [schedule.height * schedule.width, schedule.batch, self.n_features]
        if schedule.condition is None:
            return tf.zeros([shape[0] + 1, *shape[1:]], self.compute_dtype)
        x = tf.transpose(tf.cast(schedule.condition, self.compute_dtype), [1, 2, 0, 3])
        return tf.pad(tf.reshape(x, shape), [[0, 1], [0, 0], [0, 0]])

    def start_pixel(self, weights, state, pixels: ActivePixels):
        here = pixels.ahead(pixels[self].lookahead)
        return tf.reshape(tf.gather(state, here.index), [-1, self.n_features]) @ weights

    def step(self, x, pixels: ActivePixels):
        return x + tf.split(pixels[self].sums, self.n_channels, axis=-1)[pixels.channel]

    def row(self, x, pixels: ActivePixels):
        """Adds it to the whole row of the active pixel, ``[width, batch, features]``."""
        width, own = pixels.schedule.width, pixels[self]
        features = tf.slice(own.state, [pixels.row[0] * width, 0, 0], [width, *own.state.shape[1:]])
        return x + features @ own.weights

    def compute_output_shape(self, inputs_shape, condition_shape=None):
        return inputs_shape

    def get_config(self):
        config = {"n_features": self.n_features, "n_channels": self.n_channels}
        return {**super().get_config(), **config}


def add_bias(
    bias: ClassBias | ConditionBias | None, x: tf.Tensor, given: tf.Tensor | None
) -> tf.Tensor:
    """Returns ``x`` plus what a block adds for its labels or its condition, or ``x`` without them.

    Args:
        bias: from ``make_class_bias`` or ``make_condition_bias``.
        x: ``[batch, height, width, features]``.
        given: the labels, or the features of the condition.

    Example:
        >>> x = tf.ones([2, 4, 4, 6])
        >>> add_bias(None, x, None) is x
        True
        >>> add_bias(ClassBias(n_classes=10), x, tf.constant([3, 7])).shape
        TensorShape([2, 4, 4, 6])
    """
    return x if bias is None else bias(x, given)


def step_bias(
    bias: ClassBias | ConditionBias | None, x: tf.Tensor, pixels: ActivePixels
) -> tf.Tensor:
    """Returns a step of ``add_bias``.

    Example:
        >>> x = tf.ones([8, 2])
        >>> step_bias(None, x, pixels=None) is x
        True
    """
    return x if bias is None else bias.step(x, pixels)
