"""Layers of the Gated PixelCNN: its input layer, and the one that joins its two stacks."""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalBlock, IncrementalLayer
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.schedule import ActivePixels, Schedule
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.utils.serialization import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class VerticalToHorizontal(ShiftedConv2D):
    """The 1x1 convolution that feeds the vertical stack into the horizontal one.

    Args:
        filters: number of output feature maps, a multiple of ``n_channels``.
        n_channels: number of channels per pixel.

    Input: ``[batch, height, width, features]``. Output: ``[batch, height, width, filters]``.

    Source: arXiv 1606.05328, figure 2.

    Example:
        >>> from pixelcnn_tf.layers.gated import VerticalToHorizontal
        >>> VerticalToHorizontal(6, n_channels=3)(tf.zeros([1, 8, 8, 6])).shape
        TensorShape([1, 8, 8, 6])
    """

    def __init__(self, filters: int, n_channels: int = 3, **kwargs):
        super().__init__(filters, 1, "down", **kwargs)
        self.n_channels = n_channels

    def init_state(self, schedule: Schedule):
        """A ring buffer of the outputs that were computed ahead."""
        return schedule.ring_buffer(
            0, schedule.lookaheads[self] + 1, self.filters, self.compute_dtype
        )

    def advance(self, x, pixels: ActivePixels):
        """Takes ``[lanes, features]`` of the vertical stack, ahead, and keeps the outputs."""
        layer_state = pixels[self]
        outputs = super().advance(x, pixels)
        if layer_state.lookahead == 0:
            layer_state.sums = outputs
        else:
            ahead = pixels.ahead(layer_state.lookahead)
            layer_state.state = ahead.write(layer_state.state, outputs)
            [layer_state.sums] = pixels.read(layer_state.state, [(0, 0)])
        return outputs

    def step(self, x, pixels: ActivePixels):
        """Returns the channel group of ``pixels.channel``, ``[lanes, filters / n_channels]``."""
        return tf.split(pixels[self].sums, self.n_channels, axis=-1)[pixels.channel]

    def get_config(self):
        config = super().get_config()
        for fixed in ("kernel_size", "direction", "mask_type"):
            del config[fixed]
        return {**config, "n_channels": self.n_channels}


@keras.saving.register_keras_serializable(package=PACKAGE)
class TwoStackInput(IncrementalBlock, keras.layers.Layer):
    """The input layer of a Gated PixelCNN, for both stacks.

    Args:
        filters: number of feature maps of each stack, a multiple of ``n_channels``.
        kernel_size: odd side; the vertical stack sees the rows above, the horizontal stack the
            pixels to the left in the same row.
        n_channels: number of channels per pixel.

    Input: ``[batch, height, width, n_channels]``.
    Output: the vertical and the horizontal stack, ``[batch, height, width, filters]`` each.

    Source: arXiv 1606.05328, section 2.1.

    Example:
        >>> from pixelcnn_tf.layers.gated import TwoStackInput
        >>> vertical, horizontal = TwoStackInput(6)(tf.zeros([1, 8, 8, 3]))
        >>> vertical.shape == horizontal.shape == (1, 8, 8, 6)
        True
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

    def incremental_layers(self) -> list[IncrementalLayer]:
        return [self.vertical, self.horizontal]

    def lookahead_layers(self) -> list[IncrementalLayer]:
        return [self.vertical]

    def advance(self, x, pixels: ActivePixels):
        return self.vertical.advance(x, pixels)

    def step(self, x, pixels: ActivePixels):
        return self.horizontal.step(x, pixels)

    def observe(self, x, pixels: ActivePixels) -> None:
        """Takes in the next channel of the active pixels."""
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
