"""Blocks of PixelCNN++."""

from typing import NamedTuple

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import Incremental, IncrementalLayer, layers_of
from pixelcnn_tf.layers.normalized_conv import NormalizedConv2D
from pixelcnn_tf.layers.pointwise import ClassBias, concat_elu
from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.utils.serialization import PACKAGE

#: Rows and columns of the convolutions of each stream.
KERNELS = {"down": (2, 3), "down_right": (2, 2)}


@keras.saving.register_keras_serializable(package=PACKAGE)
class GatedResnet(Incremental, keras.layers.Layer):
    """Two convolutions of concatenated ELUs and a gate, added to the input.

    Args:
        direction: of its convolutions: ``'down'`` (2 x 3) or ``'down_right'`` (2 x 2).
        n_classes: for a class-conditional model: a bias for each class within the gate.
        dropout: the share of features left out before the second convolution, in training.

    Input: ``[batch, height, width, features]``; an auxiliary map of any features (the other
    stream, or what an earlier layer made), which enters through a 1x1 convolution; integer
    labels ``[batch]``. Output: of the shape of the input.

    Source: arXiv 1701.05517, section 2.5, and the code that its section 3 names, for the gate.
    """

    def __init__(self, direction: str, n_classes: int | None = None, dropout: float = 0.5, **kw):
        super().__init__(**kw)
        self.direction = direction
        self.n_classes = n_classes
        self.dropout = dropout
        self._drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy) if dropout else None

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
        self.join = self.bias = None
        if aux_shape is not None:
            self.join = conv("join", 2 * aux_shape[-1], features, 1)
        if self.n_classes is not None:
            self.bias = ClassBias(self.n_classes, 1, name="class", **options)
            self.bias.build((None, None, None, 2 * features))

    def call(self, inputs, aux=None, labels=None, training=False):
        x = self.first(concat_elu(inputs))
        if aux is not None:
            x += self.join(concat_elu(aux))
        x = concat_elu(x)
        x = self.second(x if self._drop is None else self._drop(x, training=training))
        return _gated(inputs, x if self.bias is None else self.bias(x, labels))

    def incremental_layers(self) -> list[IncrementalLayer]:
        return layers_of([self.first, self.second, self.join, self.bias])

    def row(self, inputs, aux, pixels):
        """Incremental evaluation of ``'down'``: a whole row, ``[width, batch, features]``."""

        def conv(layer, x):
            x = concat_elu(x)
            outputs = layer.row(x, pixels)
            layer.observe_row(x, pixels)
            return outputs

        x = conv(self.first, inputs)
        if aux is not None:
            x += conv(self.join, aux)
        x = conv(self.second, x)
        return _gated(inputs, x if self.bias is None else x + pixels[self.bias].state)

    def step(self, inputs, aux, pixels):
        """Incremental evaluation of ``'down_right'``: one pixel, ``[batch, features]``."""
        x = self.first.step(concat_elu(inputs), pixels)
        if aux is not None:
            x += self.join.step(concat_elu(aux), pixels)
        x = self.second.step(concat_elu(x), pixels)
        return _gated(inputs, x if self.bias is None else self.bias.step(x, pixels))

    def compute_output_shape(self, inputs_shape, aux_shape=None, labels_shape=None):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "direction": self.direction,
            "n_classes": self.n_classes,
            "dropout": self.dropout,
        }


def _gated(inputs, x):
    a, b = tf.split(x, 2, axis=-1)
    return inputs + a * tf.sigmoid(b)


class Stream(Incremental, keras.layers.Layer):
    """One of the two streams at one resolution: blocks on the way to half the resolution, blocks
    on the way back from it.

    Args:
        direction: ``'down'`` (the stream above) or ``'down_right'`` (the left one).
        filters: feature maps.
        n_resnet: blocks on the way there.
        deepest: whether there is no half resolution below.
        options: for ``GatedResnet``.

    Its maps are ``[batch, height, width, filters]``, at half the resolution of half the height and
    width.
    """

    def __init__(self, direction: str, filters: int, n_resnet: int, deepest: bool, name, **options):
        super().__init__(name=name, dtype=options.get("dtype"))
        dtype = {"dtype": self.dtype_policy}
        n_back = n_resnet + (not deepest)
        self.there = [GatedResnet(direction, name=f"there_{i}", **options) for i in range(n_resnet)]
        self.back = [GatedResnet(direction, name=f"back_{i}", **options) for i in range(n_back)]
        self.shrink = self.grow = None
        if not deepest:
            size = KERNELS[direction]
            self.shrink = NormalizedConv2D(
                filters, size, direction, strides=2, name="shrink", **dtype
            )
            self.grow = NormalizedConv2D(4 * filters, 1, direction, name="grow", **dtype)
        self.filters = filters
        above = direction == "down"
        shape = (None, None, None, filters)
        for block in self.there:
            block.build(shape, None if above else shape)
        for block in self.back:
            block.build(shape, shape if above else (*shape[:-1], 2 * filters))
        for conv in () if deepest else (self.shrink, self.grow):
            conv.build(shape)
        self.built = True

    def incremental_layers(self) -> list[IncrementalLayer]:
        return layers_of([*self.there, *self.back, self.shrink, self.grow])

    def enlarged(self, x):
        """``[batch, height, width, features]`` to twice the height and width."""
        return tf.nn.depth_to_space(self.grow(x), 2)

    def schedule(self, schedule: Schedule, level: int) -> Schedule:
        """The walk of ``schedule`` as this level sees it, row by row."""
        height, width = schedule.height >> level, schedule.width >> level
        return Schedule(self, schedule.batch, height, width, schedule.labels, lag=width)


class Above(NamedTuple):
    """What is known of the stream above at one level, at some row.

    Attributes:
        layers: the states of its layers.
        made: what its blocks made of this row, ``[width, batch, features]`` each.
        grown: what came from the next level for two rows, ``[2, width, batch, features]``.
    """

    layers: list
    made: list
    grown: tf.Tensor | tuple = ()


class Left(NamedTuple):
    """What is known of the left stream at one level, at some pixel.

    Attributes:
        layers: the states of its layers.
        grown: what came from the next level, ``[width / 2, batch, 4 * features]``: for two rows,
            as far as it has been made.
    """

    layers: list
    grown: tf.Tensor | tuple = ()
