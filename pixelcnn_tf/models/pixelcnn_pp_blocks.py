"""The blocks of PixelCNN++, and the part of its streams at one resolution."""

from typing import Any

import keras
import tensorflow as tf

from pixelcnn_tf.layers.condition import ConditionBias, add_bias, step_bias
from pixelcnn_tf.layers.incremental import Incremental, IncrementalLayer, layers_of
from pixelcnn_tf.layers.normalized_conv import NormalizedConv2D
from pixelcnn_tf.layers.pointwise import ClassBias, Dropout, concat_elu
from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.utils.serialization import PACKAGE

#: Rows and columns of the convolutions of each stream.
KERNELS = {"down": (2, 3), "down_right": (2, 2)}


@keras.saving.register_keras_serializable(package=PACKAGE)
class GatedResnet(Incremental, keras.layers.Layer):
    """A gated residual block: two convolutions of concatenated ELUs and a gate.

    With ``e(x) = [elu(x), elu(-x)]``, the convolutions ``c1`` and ``c2``, a 1x1 convolution ``j``
    of the auxiliary features, the bias ``b`` of the label and a projection ``p`` of the features
    ``s`` of the condition::

        a, g = split(c2(dropout(e(c1(e(x)) + j(e(aux))))) + b + p(s))
        output = x + a * sigmoid(g)

    Args:
        direction: that of the convolutions: ``'down'`` (2x3) or ``'down_right'`` (2x2).
        n_classes: number of classes of a class-conditional model.
        dropout: dropout rate before the second convolution, in training.
        condition_features: number of features of the condition of a conditional model.

    Input: ``[batch, height, width, features]``; auxiliary features ``[batch, height, width, any]``
    (of the other stream, or of an earlier layer); integer labels ``[batch]``; features of the
    condition ``[batch, height, width, condition_features]``.
    Output: of the shape of the input.

    Source: arXiv 1701.05517, section 2.5, and the code named in its section 3 for the gate.

    Example:

    >>> from pixelcnn_tf.models.pixelcnn_pp_blocks import GatedResnet
    >>> GatedResnet("down")(np.zeros([2, 8, 8, 6], "float32")).shape
    TensorShape([2, 8, 8, 6])
    """

    def __init__(
        self,
        direction: str,
        n_classes: int | None = None,
        dropout: float = 0.5,
        condition_features: int | None = None,
        **kw,
    ):
        super().__init__(**kw)
        self.direction = direction
        self.n_classes = n_classes
        self.condition_features = condition_features
        self.dropout = dropout
        self._drop = Dropout(dropout, dtype=self.dtype_policy) if dropout else None

    def build(self, inputs_shape, aux_shape=None, labels_shape=None):
        features, options = inputs_shape[-1], {"dtype": self.dtype_policy}

        def conv(name, n_in, n_out, kernel_size, **more):
            layer = NormalizedConv2D(
                n_out, kernel_size, self.direction, name=name, **options, **more
            )
            layer.build((None, None, None, n_in))
            return layer

        kernel_size = KERNELS[self.direction]
        self.first = conv("first", 2 * features, features, kernel_size)
        self.second = conv("second", 2 * features, 2 * features, kernel_size, init_scale=0.1)
        self.join = self.bias = self.condition = None
        if aux_shape is not None:
            self.join = conv("join", 2 * aux_shape[-1], features, 1)
        if self.n_classes is not None:
            self.bias = ClassBias(self.n_classes, 1, name="class", **options)
            self.bias.build((None, None, None, 2 * features))
        if self.condition_features is not None:
            self.condition = ConditionBias(self.condition_features, 1, name="condition", **options)
            self.condition.build((None, None, None, 2 * features))

    def incremental_layers(self) -> list[IncrementalLayer]:
        return layers_of([self.first, self.second, self.join, self.bias, self.condition])

    def call(self, inputs, aux=None, labels=None, training=False, condition=None):
        x = self.first(concat_elu(inputs))
        if self.join is not None:
            x += self.join(concat_elu(aux))
        x = concat_elu(x)
        x = self.second(x if self._drop is None else self._drop(x, training=training))
        x = add_bias(self.bias, x, labels)
        return _gated(inputs, add_bias(self.condition, x, condition))

    def row(self, inputs, aux, pixels):
        """Evaluates a block of direction ``'down'`` for the next row,
        ``[width, batch, features]``."""
        x = self.first.next_row(concat_elu(inputs), pixels)
        if self.join is not None:
            x += self.join.next_row(concat_elu(aux), pixels)
        x = self.second.next_row(concat_elu(x), pixels)
        x = x if self.bias is None else x + pixels[self.bias].state
        return _gated(inputs, x if self.condition is None else self.condition.row(x, pixels))

    def step(self, inputs, aux, pixels):
        """Evaluates a block of direction ``'down_right'`` at one pixel, ``[batch, features]``."""
        x: Any = self.first.step(concat_elu(inputs), pixels)
        if self.join is not None:
            x += self.join.step(concat_elu(aux), pixels)
        x = self.second.step(concat_elu(x), pixels)
        x = step_bias(self.bias, x, pixels)
        return _gated(inputs, step_bias(self.condition, x, pixels))

    def compute_output_shape(self, inputs_shape, aux_shape=None, labels_shape=None):
        return inputs_shape

    def get_config(self):
        config = {
            **super().get_config(),
            "direction": self.direction,
            "n_classes": self.n_classes,
            "dropout": self.dropout,
        }
        if self.condition_features is not None:  # else as in files of version 0.2
            config["condition_features"] = self.condition_features
        return config


def halved(condition: tf.Tensor) -> tf.Tensor:
    """Returns the features of a condition at the next lower resolution: means over 2x2 pixels.

    Example:

    >>> from pixelcnn_tf.models.pixelcnn_pp_blocks import halved
    >>> halved(tf.zeros([2, 8, 8, 6])).shape
    TensorShape([2, 4, 4, 6])
    """
    return tf.nn.avg_pool2d(condition, 2, 2, "SAME")


def _gated(inputs, x):
    a, gate = tf.split(x, 2, axis=-1)
    return inputs + a * tf.sigmoid(gate)


class Stream(Incremental, keras.layers.Layer):
    """The part of one of the two streams at one resolution: blocks of the down path and of the
    up path, and the convolutions to and from half the resolution.

    Args:
        direction: ``'down'`` (the vertical stream) or ``'down_right'`` (the horizontal one).
        filters: number of feature maps.
        n_resnet: number of blocks of the down path.
        is_deepest: whether there is no lower resolution.
        options: for ``GatedResnet``.

    Attributes:
        there, back: the blocks of the down path and of the up path.
        shrink, grow: the convolutions to and from half the resolution; only if not
            ``is_deepest``.

    Attributes that hold layers have the names that model files and checkpoints contain.

    All feature maps are ``[batch, height, width, filters]``, with half the height and width,
    rounded up, at each lower resolution.

    Example:

    >>> from pixelcnn_tf.models.pixelcnn_pp_blocks import Stream
    >>> stream = Stream("down", filters=4, n_resnet=1, is_deepest=False, name="above_0")
    >>> len(stream.there), len(stream.back)
    (1, 2)
    >>> larger = np.zeros([1, 4, 3, 4], "float32")
    >>> stream.upsampled(stream.shrink(larger), larger).shape
    TensorShape([1, 4, 3, 4])
    """

    shrink: NormalizedConv2D
    grow: NormalizedConv2D

    def __init__(
        self, direction: str, filters: int, n_resnet: int, is_deepest: bool, name: str, **options
    ):
        super().__init__(name=name, dtype=options.get("dtype"))
        n_up = n_resnet + (not is_deepest)

        def blocks(n, name):
            return [GatedResnet(direction, name=f"{name}_{i}", **options) for i in range(n)]

        self.there, self.back = blocks(n_resnet, "there"), blocks(n_up, "back")
        if not is_deepest:
            size, dtype = KERNELS[direction], self.dtype_policy
            self.shrink = NormalizedConv2D(
                filters, size, direction, strides=2, name="shrink", dtype=dtype
            )
            self.grow = NormalizedConv2D(4 * filters, 1, direction, name="grow", dtype=dtype)
        self.filters, self.is_deepest = filters, is_deepest
        is_vertical = direction == "down"
        shape = (None, None, None, filters)
        for block in self.there:
            block.build(shape, None if is_vertical else shape)
        for block in self.back:
            block.build(shape, shape if is_vertical else (*shape[:-1], 2 * filters))
        for conv in self._resampling():
            conv.build(shape)
        self.built = True

    def incremental_layers(self) -> list[IncrementalLayer]:
        return layers_of([*self.there, *self.back, *self._resampling()])

    def _resampling(self) -> list[NormalizedConv2D]:
        return [] if self.is_deepest else [self.shrink, self.grow]

    def upsampled(self, x, larger):
        """Upsamples the features ``x`` of the lower resolution to the height and width of
        ``larger``, the features of this one, ``[batch, height, width, filters]``.

        If a side is odd, the last row or column is cut off: it would be outside of the image.
        """
        x = tf.nn.depth_to_space(self.grow(x), 2)
        height, width = larger.shape[1:3]
        if height is None or width is None:
            height, width = tf.unstack(tf.shape(larger)[1:3])
        elif height % 2 == width % 2 == 0:
            return x  # otherwise a slice of everything, whose gradient is slow
        return x[:, :height, :width]

    def schedule(self, schedule: Schedule, level: int) -> Schedule:
        """Returns the schedule of the image as this level sees it: row by row."""
        height, width = (-(-side >> level) for side in (schedule.height, schedule.width))
        condition = schedule.condition
        for _ in range(level * (condition is not None)):
            condition = halved(condition)
        labels = schedule.labels
        return Schedule(self, schedule.batch, height, width, labels, lag=width, condition=condition)
