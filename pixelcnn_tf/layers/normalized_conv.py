"""Convolutions with weight normalization."""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import RowLayer
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.utils.serialization import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class NormalizedConv2D(RowLayer, ShiftedConv2D):
    """A shifted convolution with weight normalization: the kernel of each output feature is
    ``gain * v / |v|``, so that its length, ``gain``, is a weight of its own.

    Args:
        filters, kernel_size, direction, mask_type: as in ``ShiftedConv2D``.
        strides: 1, or 2 for every second row and column of outputs, starting with the first.
        init_scale: standard deviation of the outputs after ``initialize_from`` of the model.

    Input: ``[batch, height, width, features]``.
    Output: ``[batch, height / strides, width / strides, filters]``, rounded up.

    Raises:
        ValueError: as ``ShiftedConv2D``; other strides; no bias, or an activation.

    Source: Salimans and Kingma 2016, arXiv 1602.07868, equation 2.

    Example:

    >>> from pixelcnn_tf.layers.normalized_conv import NormalizedConv2D
    >>> layer = NormalizedConv2D(6, (2, 3), "down", strides=2)
    >>> layer(np.zeros([1, 8, 8, 3], "float32")).shape
    TensorShape([1, 4, 4, 6])
    """

    autocast_kernel = False

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        direction: str,
        mask_type: str = "B",
        strides: int = 1,
        init_scale: float = 1.0,
        **kwargs,
    ):
        options = {"kernel_initializer": keras.initializers.RandomNormal(0.0, 0.05)}
        super().__init__(filters, kernel_size, direction, mask_type, **{**options, **kwargs})
        if strides not in (1, 2):
            raise ValueError(f"strides={strides!r}: must be 1 or 2")
        if not self.use_bias or self.activation is not keras.activations.linear:
            raise ValueError("use_bias, activation: must be True and None, for the initialization")
        self.strides = strides
        self.init_scale = init_scale
        #: Whether the next call sets gain and bias.
        self.initializing = False

    def build(self, input_shape):
        super().build(input_shape)
        self.gain = self.add_weight(
            name="gain", shape=(self.filters,), initializer="ones", autocast=False
        )

    def used_kernel(self):
        """The normalized kernel, computed in float32 whatever the precision policy is."""
        kernel, gain = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.gain)
        return tf.cast(_normalized(kernel, gain), self.compute_dtype)

    def call(self, inputs):
        if self.initializing:
            self._initialize(inputs)
        return super().call(inputs)

    def _initialize(self, inputs):
        """Sets gain and bias such that these inputs give outputs of mean 0 and standard deviation
        ``init_scale`` in every feature (arXiv 1602.07868, section 3)."""
        self.initializing = False
        self.gain.assign(tf.ones_like(self.gain))
        self.bias.assign(tf.zeros_like(self.bias))
        mean, variance = tf.nn.moments(tf.cast(super().call(inputs), tf.float32), [0, 1, 2])
        # Features with almost no variance (of tiny or constant images) are not scaled up.
        gain = self.init_scale * tf.where(variance > 1e-3, tf.math.rsqrt(variance), 1.0)
        self.gain.assign(gain)
        self.bias.assign(-gain * mean)

    # Incremental evaluation for direction 'down': a row at a time, as soon as the row above is
    # complete. The state is the last row of inputs.

    def init_state(self, schedule):
        if self.direction == "down_right":
            return super().init_state(schedule)
        if self.kernel_size[0] == 1:
            return ()
        shape = [schedule.width, schedule.batch, self.kernel.shape[2]]
        return tf.zeros(shape, self.compute_dtype)

    def next_row(self, x, pixels):
        """Evaluates the next row and keeps its inputs; as ``row``, then ``observe_row``."""
        outputs = self.row(x, pixels)
        self.observe_row(x, pixels)
        return outputs

    def row(self, x, pixels):
        """Evaluates the next row.

        Args:
            x: inputs of this row, ``[width, batch, features]``.

        Returns:
            ``[width / strides, batch, filters]``.
        """
        own = pixels[self]
        above = [own.state] if self.kernel_size[0] == 2 else []
        return self.row_from([*above, x], own.weights)

    def observe_row(self, x, pixels):
        """Keeps the inputs ``x`` of a row for the row below."""
        if self.kernel_size[0] == 2:
            pixels[self].state = x

    def row_from(self, rows, weights):
        """Evaluates one row from the rows of inputs that it depends on.

        Args:
            rows: ``[width, batch, features]`` each, from top to bottom.
            weights: kernel and bias.

        Returns:
            ``[width / strides, batch, filters]``.
        """
        kernel, bias = weights
        width, sides = rows[0].shape[0], [self._left, self._right]
        seen = rows
        if any(sides):
            padded = [tf.pad(row, [sides, [0, 0], [0, 0]]) for row in rows]
            seen = [row[at : at + width] for row in padded for at in range(self.kernel_size[1])]
        seen = tf.concat(seen, axis=-1) if len(seen) > 1 else seen[0]
        return (seen if self.strides == 1 else seen[:: self.strides]) @ kernel + bias

    def compute_output_shape(self, input_shape):
        batch, *size, _ = input_shape
        size = [side and -(-side // self.strides) for side in size]
        return (batch, *size, self.filters)

    def get_config(self):
        config = {"strides": self.strides, "init_scale": self.init_scale}
        return {**super().get_config(), **config}


@tf.custom_gradient
def _normalized(kernel: tf.Tensor, gain: tf.Tensor):
    """Returns the kernel with the L2 norm ``gain`` in every output feature.

    The gradient (arXiv 1602.07868, equation 3) takes a third of the operations of the one that
    TensorFlow derives; in models of few features, their number decides the speed.
    """
    axes = [0, 1, 2]
    scale = tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square(kernel), axes), 1e-12))
    unit = kernel * scale

    def gradient(upstream: tf.Tensor):
        of_gain = tf.reduce_sum(upstream * unit, axes)
        return gain * scale * (upstream - unit * of_gain), of_gain

    return gain * unit, gradient
