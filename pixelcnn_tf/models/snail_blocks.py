"""The block of PixelSNAIL: gated residual blocks of causal convolutions, and causal attention."""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.attention import CausalAttention
from pixelcnn_tf.layers.condition import add_bias, step_bias
from pixelcnn_tf.layers.incremental import IncrementalBlock, IncrementalLayer
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.masks import kernel_shape
from pixelcnn_tf.layers.pointwise import gate
from pixelcnn_tf.layers.schedule import ActivePixels
from pixelcnn_tf.models.blocks import Block
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import check_heads, count


@keras.saving.register_keras_serializable(package=PACKAGE)
class SnailInput(IncrementalBlock, keras.layers.Layer):
    """The input layer of PixelSNAIL: a masked convolution of type A, with the image as it is.

    Args:
        filters: number of output feature maps, a multiple of ``n_channels``.
        kernel_size: side of the kernel.
        n_channels: number of channels per pixel.

    Input: ``[batch, height, width, image features]``.
    Output: a pair of the input and the features, ``[batch, height, width, filters]``.

    Example:
        >>> from pixelcnn_tf.models.snail_blocks import SnailInput
        >>> image, features = SnailInput(6)(tf.zeros([1, 8, 8, 3]))
        >>> image.shape, features.shape
        (TensorShape([1, 8, 8, 3]), TensorShape([1, 8, 8, 6]))
    """

    def __init__(self, filters: int, kernel_size: int = 7, n_channels: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.n_channels = n_channels
        self.conv = MaskedConv2D(
            filters, kernel_size, "A", n_channels, name="conv", dtype=self.dtype_policy
        )

    def build(self, input_shape):
        self.conv.build(input_shape)

    def call(self, inputs):
        return inputs, self.conv(inputs)

    def incremental_layers(self) -> list[IncrementalLayer]:
        return [self.conv]

    def step(self, x, pixels: ActivePixels):
        return self.conv.step(x, pixels)

    def observe(self, x, pixels: ActivePixels) -> None:
        self.conv.observe(x, pixels)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape), (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "n_channels": self.n_channels,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class SnailBlock(Block):
    """The block of PixelSNAIL: gated residual blocks, then causal attention over all earlier
    pixels, which a gated 1x1 block merges with the features.

    With ELUs ``e``, masked convolutions ``c`` and the attention ``A`` of the image and the
    features ``x``, which ends with a 1x1 convolution::

        n_residual times    a, b = split(c2(dropout(e(c1(e(x))))) + class bias + condition)
                            x = x + a * sigmoid(b)
        then                a, b = split(m2(dropout(e(m1(e(x)) + A(image, x)))))
                            x = x + a * sigmoid(b)

    ``c1`` and ``c2`` have ``kernel_size``, ``m1`` and ``m2`` are 1x1. An image of several channels
    has channel groups, as in all blocks of ``PixelRNN``.

    Args:
        kernel_size: ``(height, width)`` of the kernels around the pixel; ``(2, 2)`` covers the
            pixel itself and those above, to the left, and above to the left, as in the paper.
        n_channels, n_classes, dropout, condition_features: as in ``Block``. Class biases and
            projections of the condition are inside the gates.
        n_residual: number of gated residual blocks before the attention.
        n_heads, key_features, value_features: as in ``CausalAttention``.
        attention_every: in a stack, every n-th block attends: with 2 the second, the fourth, and so
            on. The others consist of gated residual blocks.

    Input and output: a pair of the image, ``[batch, height, width, image features]``, and
    features, ``[batch, height, width, features]``; the image stays as it is.

    Raises:
        ValueError: as ``Block`` and ``CausalAttention``.
        UserError: images that are too large for attention, see ``CausalAttention``.

    Source: Chen et al. 2017, arXiv 1712.09763, section 2 and figure 5. Departures: ELUs without
    their negatives and convolutions without weight normalization; instead the last convolution of
    each branch begins with small weights, as there.

    Example:
        >>> pair = [np.zeros([1, 8, 8, n], "float32") for n in (3, 12)]
        >>> _, features = pixelcnn_tf.SnailBlock()(pair)
        >>> features.shape
        TensorShape([1, 8, 8, 12])
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int] = (2, 2),
        n_channels: int = 3,
        n_residual: int = 2,
        n_heads: int = 1,
        key_features: int = 16,
        value_features: int = 32,
        attention_every: int = 1,
        **kwargs,
    ):
        super().__init__(n_channels, **kwargs)
        self.kernel_size = kernel_shape(kernel_size, odd=False)
        self.n_residual = count("n_residual", n_residual)
        self.n_heads = count("n_heads", n_heads)
        self.key_features = count("key_features", key_features)
        self.value_features = count("value_features", value_features)
        for name in ("key_features", "value_features"):
            check_heads(n_heads, name, getattr(self, name))
        self.attention_every = count("attention_every", attention_every)
        self.attends = True

    def set_place(self, place: int, n_blocks: int) -> None:
        if self.attention_every > n_blocks:
            raise ValueError(
                f"attention_every={self.attention_every}: of {n_blocks} blocks, none would attend; "
                f"must be at most n_layers={n_blocks}"
            )
        self.attends = (place + 1) % self.attention_every == 0

    def input_layer(self, filters, kernel_size, **options):
        return SnailInput(filters, kernel_size, self.n_channels, **options)

    def build(self, inputs_shape, labels_shape=None):
        in_image, n = inputs_shape[0][-1], inputs_shape[1][-1]
        self.check_features(n)
        small = keras.initializers.VarianceScaling(0.01)  # a branch adds a tenth of its input

        def conv(name, filters, kernel_size: int | tuple[int, int] = 1, **options):
            options = {"n_channels": self.n_channels, **options}
            return self.make(MaskedConv2D, name, n, filters, kernel_size, **options)

        def gates(name, kernel_size):
            return conv(name, 2 * n, kernel_size, kernel_initializer=small)

        numbers, size = range(1, self.n_residual + 1), self.kernel_size
        self.firsts = [conv(f"first_{i}", n, size) for i in numbers]
        self.biases = [self.make_class_bias(f"class_{i}", 2 * n, self.n_channels) for i in numbers]
        self.conditions = [
            self.make_condition_bias(f"condition_{i}", 2 * n, self.n_channels) for i in numbers
        ]
        self.seconds = [gates(f"second_{i}", size) for i in numbers]
        if self.attends:
            attention = (n, self.n_heads, self.key_features, self.value_features, self.n_channels)
            self.attention = self.add_layer(
                CausalAttention(*attention, name="attention", dtype=self.dtype_policy),
                [(None, None, None, in_image), (None, None, None, n)],
            )
            self.merge, self.merge_gates = conv("merge", n), gates("merge_gates", 1)

    def _residual(self):
        """The layers of each gated residual block."""
        return zip(self.firsts, self.seconds, self.biases, self.conditions, strict=True)

    def call(self, inputs, labels=None, training=False, condition=None):
        image, x = inputs
        for first, second, bias, given in self._residual():
            hidden = tf.nn.elu(first(tf.nn.elu(x)))
            gates = add_bias(bias, second(self.drop(hidden, training)), labels)
            gates = add_bias(given, gates, condition)
            x = x + gate(gates, self.n_channels, activation=None)
        if self.attends:
            hidden = tf.nn.elu(self.merge(tf.nn.elu(x)) + self.attention([image, x]))
            gates = self.merge_gates(self.drop(hidden, training))
            x = x + gate(gates, self.n_channels, activation=None)
        return image, x

    def step(self, x, pixels):
        for first, second, bias, given in self._residual():
            hidden = tf.nn.elu(first.step(tf.nn.elu(x), pixels))
            gates = step_bias(bias, second.step(hidden, pixels), pixels)
            gates = step_bias(given, gates, pixels)
            x = x + gate(gates, 1, activation=None)
        if self.attends:
            attended = self.attention.step(x, pixels)
            hidden = tf.nn.elu(self.merge.step(tf.nn.elu(x), pixels) + attended)
            gates = self.merge_gates.step(hidden, pixels)
            x = x + gate(gates, 1, activation=None)
        return x

    def observe(self, x, pixels):
        """Takes in the next channel of the image, for the keys and values."""
        if self.attends:
            self.attention.observe(x, pixels)

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return tuple(tuple(shape) for shape in inputs_shape)

    def get_config(self):
        names = ("kernel_size", "n_residual", "n_heads", "key_features", "value_features")
        config = {name: getattr(self, name) for name in (*names, "attention_every")}
        return {**super().get_config(), **config}
