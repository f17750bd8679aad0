"""Layers of the Gated PixelCNN: the first one, what joins its two stacks, and gates."""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.utils.serialization import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class VerticalToHorizontal(ShiftedConv2D):
    """The 1x1 convolution that feeds the vertical stack into the horizontal one.

    Args:
        filters: output feature maps, a multiple of ``n_channels``.
        n_channels: channels per pixel.

    Input: ``[batch, height, width, features]``. Output: ``[batch, height, width, filters]``.

    Source: arXiv 1606.05328, figure 2.
    """

    def __init__(self, filters: int, n_channels: int = 3, **kwargs):
        super().__init__(filters, 1, "down", **kwargs)
        self.n_channels = n_channels

    def init_state(self, schedule):
        """What is made ahead waits here for its pixel."""
        return schedule.ring_buffer(
            0, schedule.lookaheads[self] + 1, self.filters, self.compute_dtype
        )

    def advance(self, x, pixels):
        """Takes ``[lanes, features]`` of the vertical stack, ahead, and keeps what it makes."""
        slot = pixels[self]
        made = super().advance(x, pixels)
        if slot.lookahead == 0:
            slot.sums = made
        else:
            slot.state = pixels.ahead(slot.lookahead).write(slot.state, made)
            slot.sums = pixels.read(slot.state, 0, 0)

    def step(self, x, pixels):
        """The channel group whose turn it is, ``[lanes, filters / n_channels]``."""
        return tf.split(pixels[self].sums, self.n_channels, axis=-1)[pixels.channel]

    def get_config(self):
        config = super().get_config()
        for fixed in ("kernel_size", "direction", "mask_type"):
            del config[fixed]
        return {**config, "n_channels": self.n_channels}


@keras.saving.register_keras_serializable(package=PACKAGE)
class TwoStackInput(keras.layers.Layer):
    """The first layer of a Gated PixelCNN: the image for both stacks.

    Args:
        filters: feature maps of each stack, a multiple of ``n_channels``.
        kernel_size: odd side; the vertical stack looks at the rows above, the horizontal one
            at what is left in the same row.
        n_channels: channels per pixel.

    Input: ``[batch, height, width, n_channels]``.
    Output: the vertical and the horizontal stack, ``[batch, height, width, filters]`` each.

    Source: arXiv 1606.05328, section 2.1.
    """

    def __init__(self, filters: int, kernel_size: int = 7, n_channels: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.n_channels = n_channels
        options = {"dtype": self.dtype_policy}
        self.vertical = ShiftedConv2D(
            filters, (kernel_size // 2, kernel_size), "down", "A", name="vertical", **options
        )
        self.horizontal = MaskedConv2D(
            filters, (1, kernel_size), "A", n_channels, name="horizontal", **options
        )

    def build(self, input_shape):
        self.vertical.build(input_shape)
        self.horizontal.build(input_shape)

    def call(self, inputs):
        return self.vertical(inputs), self.horizontal(inputs)

    def lookahead_layers(self):
        return [self.vertical]

    def advance(self, pixels):
        return self.vertical.advance(None, pixels)

    def step(self, x, pixels):
        return self.horizontal.step(x, pixels)

    def observe(self, x, pixels):
        self.vertical.observe(x, pixels)
        self.horizontal.observe(x, pixels)

    def compute_output_shape(self, input_shape):
        shape = (*input_shape[:-1], self.filters)
        return shape, shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "n_channels": self.n_channels,
        }
