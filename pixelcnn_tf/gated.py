"""Layers of the Gated PixelCNN: the vertical stack, and gates."""

import keras
import tensorflow as tf

from pixelcnn_tf.layers import PACKAGE, MaskedConv2D
from pixelcnn_tf.masks import MASK_TYPES, kernel_shape
from pixelcnn_tf.raster import Causal


def gate(x, n_channels: int):
    """``tanh(a) * sigmoid(b)`` of two halves of the features of each colour group.

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
class VerticalConv2D(Causal, keras.layers.Layer):
    """A convolution of the vertical stack: it looks up and to both sides, without a blind spot.

    Its features of one row depend on the rows of the image above that row only, so no mask is
    needed, and no colour groups: all that it sees is known. The kernel has the rows that are
    looked at and no others; the input is shifted, not masked.

    Args:
        filters: output feature maps.
        kernel_size: odd side, or odd ``(height, width)``, of the centred kernel of which the
            upper rows are kept.
        mask_type: ``'A'`` looks at ``height // 2`` rows above its own (the first layer, whose
            input is the image); ``'B'`` at its own row, too (later layers, whose input depends
            on the rows above already).

    Input: ``[batch, height, width, features]``. Output: ``[batch, height, width, filters]``.

    Raises:
        ValueError: an even kernel; type A and a kernel of one row, which would see nothing.

    Source: arXiv 1606.05328, section 2.3 and figure 2.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        mask_type: str = "B",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_shape(kernel_size)
        if mask_type not in MASK_TYPES:
            raise ValueError(f"mask_type={mask_type!r}: must be 'A' or 'B'")
        if mask_type == "A" and self.kernel_size[0] == 1:
            raise ValueError(
                f"kernel_size={kernel_size!r}: a vertical kernel of type A sees the rows above "
                "only, so it must have 3 rows or more"
            )
        self.mask_type = mask_type
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        rows = self.kernel_size[0] // 2 + (self.mask_type == "B")
        self.kernel = self.add_weight(
            name="kernel",
            shape=(rows, self.kernel_size[1], input_shape[-1], self.filters),
            initializer="glorot_uniform",
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs):
        up, side = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        if self.mask_type == "A":
            inputs = inputs[:, :-1]
        if (up, side) != (0, 0):
            inputs = tf.pad(inputs, [[0, 0], [up, 0], [side, side], [0, 0]])
        return tf.nn.conv2d(inputs, self.kernel, strides=1, padding="VALID") + self.bias

    def layers_ahead(self):
        return [self]

    def reach(self, width):
        return self.kernel_size[1] // 2

    def raster_weights(self):
        """``[rows * columns * features, filters]``, ``[filters]``."""
        kernel = tf.cast(self.kernel, self.compute_dtype)
        return tf.reshape(kernel, [-1, self.filters]), tf.cast(self.bias, kernel.dtype)

    def init_state(self, raster):
        up, side = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        # Its inputs are ready ``side`` steps before it needs the rightmost of its own row; those
        # of type A, the rows above, when the walk itself has passed them.
        newest = side + 1 if self.mask_type == "B" else -raster.leads[self]
        features = self.kernel.shape[2]
        return raster.history(up, side + newest, features, self.compute_dtype)

    def observe(self, x, pixels):
        """Type A: take in the next colour of this pixel."""
        pixels[self].groups.append(tf.cast(x, self.compute_dtype))

    def advance(self, x, pixels):
        """The outputs ``[lanes, filters]`` at the pixels that are ``lead`` steps ahead.

        Args:
            x: ``[lanes, features]``, what the layer before made now; None for type A, which
                looks at what it has observed.
        """
        slot = pixels[self]
        up, side = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        weights, bias = slot.weights
        if (up, side) == (0, 0):
            return x @ weights + bias
        front = pixels.ahead(slot.lead)
        if self.mask_type == "B":
            slot.state = pixels.ahead(slot.lead + side).record(slot.state, x)
        rows = range(up, 0 if self.mask_type == "A" else -1, -1)
        seen = [
            front.look(slot.state, row, column) for row in rows for column in range(-side, side + 1)
        ]
        return tf.concat(seen, axis=-1) @ weights + bias

    def end_pixel(self, slot, pixels):
        if self.mask_type == "B":
            return slot.state
        return pixels.record(slot.state, tf.concat(slot.groups, axis=-1))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "mask_type": self.mask_type,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class VerticalToHorizontal(VerticalConv2D):
    """The 1x1 convolution that feeds the vertical stack into the horizontal one.

    Args:
        filters: output feature maps, a multiple of ``n_channels``.
        n_channels: colours a pixel.
    """

    def __init__(self, filters: int, n_channels: int = 3, **kwargs):
        super().__init__(filters, 1, **kwargs)
        self.n_channels = n_channels

    def init_state(self, raster):
        """What is made ahead waits here for its pixel."""
        return raster.history(0, raster.leads[self] + 1, self.filters, self.compute_dtype)

    def advance(self, x, pixels):
        slot = pixels[self]
        made = super().advance(x, pixels)
        if slot.lead == 0:
            slot.sums = made
        else:
            slot.state = pixels.ahead(slot.lead).record(slot.state, made)
            slot.sums = pixels.look(slot.state, 0, 0)

    def step(self, x, pixels):
        """The colour group whose turn it is, ``[lanes, filters / n_channels]``."""
        return tf.split(pixels[self].sums, self.n_channels, axis=-1)[pixels.channel]

    def get_config(self):
        config = super().get_config()
        del config["kernel_size"], config["mask_type"]
        return {**config, "n_channels": self.n_channels}


@keras.saving.register_keras_serializable(package=PACKAGE)
class TwoStackInput(keras.layers.Layer):
    """The first layer of a Gated PixelCNN: the image for both stacks.

    Args:
        filters: feature maps of each stack, a multiple of ``n_channels``.
        kernel_size: odd side; the vertical stack looks at the rows above, the horizontal one
            at what is left in the same row.
        n_channels: colours a pixel.

    Input: ``[batch, height, width, n_channels]``.
    Output: the vertical and the horizontal stack, ``[batch, height, width, filters]`` each.
    """

    def __init__(self, filters: int, kernel_size: int = 7, n_channels: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.n_channels = n_channels
        options = {"dtype": self.dtype_policy}
        self.vertical = VerticalConv2D(filters, kernel_size, "A", name="vertical", **options)
        self.horizontal = MaskedConv2D(
            filters, (1, kernel_size), "A", n_channels, name="horizontal", **options
        )

    def build(self, input_shape):
        self.vertical.build(input_shape)
        self.horizontal.build(input_shape)

    def call(self, inputs):
        return self.vertical(inputs), self.horizontal(inputs)

    def layers_ahead(self):
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
