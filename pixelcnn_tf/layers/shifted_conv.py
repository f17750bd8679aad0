"""Causal convolutions without masks: the input is shifted, and the whole kernel is used.

``masked_to_shifted`` and ``shifted_to_masked`` convert between masked convolutions and these.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from pixelcnn_tf.layers.causal_conv import CausalConv2D
from pixelcnn_tf.layers.incremental import IncrementalLayer, LookaheadLayer
from pixelcnn_tf.layers.masks import MASK_TYPES, kernel_shape
from pixelcnn_tf.layers.schedule import ActivePixels, LayerState, Recent, Schedule
from pixelcnn_tf.layers.wavefront import Wavefront
from pixelcnn_tf.utils.errors import suggestion
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count

DIRECTIONS = ("down", "down_right")


class ShiftedConvWeights(NamedTuple):
    """The weights of a ``ShiftedConv2D``.

    Attributes:
        kernel: ``[rows * columns * features, filters]``.
        bias: ``[filters]``.

    Example:
        >>> layer = ShiftedConv2D(4, (2, 3), direction="down")
        >>> layer.build((None, None, None, 6))
        >>> layer.incremental_weights().kernel.shape
        TensorShape([36, 4])
    """

    kernel: tf.Tensor
    bias: tf.Tensor


@keras.saving.register_keras_serializable(package=PACKAGE)
class ShiftedConv2D(LookaheadLayer, CausalConv2D):
    """A 2D convolution that is causal because its kernel lies above or to the left of its output.

    Positions of 2 x 3 kernels for the output at ``o``, which kernels of type B cover, too::

        down, B        down, A        down_right, B      down_right, A
         x x x          x x x          x x x              x x x .
         x o x          x x x          x x o              x x x o
                        . o .

    ``'down'`` covers the last ``rows`` rows, ending with the output's own row (type B) or with the
    row above it (type A), in ``columns`` columns around the output's own column; if ``columns`` is
    even, one column more to the left. ``'down_right'`` ends with the output's own row and with its
    own column (type B) or the column before it (type A), in every row. Type A is for the image. In
    later layers, ``'down'`` of type B depends on the rows above only, if its input does;
    ``'down_right'`` of type B keeps the raster order of its input.

    The stride is 1, the input is padded with zeros, and the spatial size is kept. There are no
    channel groups: either all features of a pixel are visible or none, so this layer cannot make
    the channels of a pixel depend on each other.

    Args:
        filters: number of output feature maps.
        kernel_size: ``(rows, columns)``, any from 1 up, or one integer for both.
        direction: ``'down'`` or ``'down_right'``.
        mask_type: ``'A'`` (the first layer) or ``'B'`` (all others), as in ``MaskedConv2D``.
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer: as in ``keras.layers.Conv2D``.

    Input: ``[batch, height, width, features]``.
    Output: ``[batch, height, width, filters]``, in the layer's compute dtype.

    Raises:
        ValueError: a number that is not positive, an unknown direction or mask type.

    Source: arXiv 1701.05517, section 2.3 and figure 2; for ``'down'`` also arXiv 1606.05328,
    section 2.3 and figure 2, the vertical stack.

    Example:
        >>> layer = ShiftedConv2D(6, (2, 3), direction="down", mask_type="A")
        >>> layer(np.zeros([1, 8, 8, 3], "float32")).shape
        TensorShape([1, 8, 8, 6])
    """

    strides = 1

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        direction: str,
        mask_type: str = "B",
        activation=None,
        **options,
    ):
        super().__init__(count("filters", filters), mask_type, activation, **options)
        if direction not in DIRECTIONS:
            raise ValueError(
                f"direction={direction!r}: must be 'down' or 'down_right'"
                f"{suggestion(str(direction), list(DIRECTIONS))}"
            )
        if mask_type not in MASK_TYPES:
            raise ValueError(f"mask_type={mask_type!r}: must be 'A' or 'B'")
        self.kernel_size = kernel_shape(kernel_size, odd=False)
        self.direction = direction

        # The extent of the kernel around the output; type A is one row or one column further away.
        rows, columns = self.kernel_size
        away = int(mask_type == "A")
        self._up = rows - 1 + away * (direction == "down")
        self._left = columns // 2 if direction == "down" else columns - 1 + away
        self._right = columns - 1 - self._left  # -1 if its own column is not covered

    def build(self, input_shape):
        features = self.known_features(input_shape)
        shape = (*self.kernel_size, features, self.filters)
        self.add_kernel(shape, self.kernel_initializer, features)

    def call(self, inputs):
        below = self.kernel_size[0] - 1 - self._up  # 0 or -1, as ``_right``
        if self.mask_type == "A":  # otherwise a slice of everything, whose gradient is slow
            inputs = inputs[:, : below or None, : min(self._right, 0) or None]
        sides = [self._left, max(self._right, 0)]
        if self._up or any(sides):
            inputs = tf.pad(inputs, [[0, 0], [self._up, 0], sides, [0, 0]])
        kernel = self.used_kernel()
        outputs = tf.nn.conv2d(inputs, kernel, strides=self.strides, padding="VALID")
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def used_kernel(self):
        """Returns the kernel that is convolved with; subclasses may transform the weights."""
        return self.kernel

    # Incremental evaluation: 'down' is evaluated ahead of the active pixels, by ``advance``;
    # 'down_right' at the active pixels, by ``step``.

    def lookahead_layers(self) -> list[IncrementalLayer]:
        return [self] if self.direction == "down" else []

    def reach(self, width: int) -> int:
        return max(self._right, 0)

    @property
    def _sees_own_pixel(self) -> bool:
        """Whether the last pixel that the kernel covers is the output's own."""
        return self.mask_type == "B" and self._right == 0

    def _around(self) -> list[tuple[int, int]]:
        """The pixels that the kernel covers, as (rows up, columns right), excluding the output's
        own pixel if that is the last."""
        below = self._up - self.kernel_size[0]
        seen = [
            (up, right)
            for up in range(self._up, below, -1)
            for right in range(-self._left, self._right + 1)
        ]
        return seen[:-1] if self._sees_own_pixel else seen

    def incremental_weights(self) -> ShiftedConvWeights:
        kernel = tf.cast(self.used_kernel(), self.compute_dtype)
        kernel = tf.reshape(kernel, [-1, self.filters])
        return ShiftedConvWeights(kernel, self.bias_or_zeros(kernel.dtype))

    def init_state(self, schedule: Schedule):
        """The recent inputs: a ring buffer that ``advance`` writes, or ``Recent``."""
        if not self._around():
            return ()
        newest = 0
        if self.direction == "down":
            # Inputs of type B are ready ``_right`` steps before the rightmost of its own row is
            # needed; those of type A, the rows above, when those pixels have been active.
            newest = self._right + 1 if self.mask_type == "B" else -schedule.lookaheads[self]
        make = schedule.ring_buffer if self._written_by_advance else schedule.recent
        return make(self._up, self._left + newest, self.kernel.shape[2], self.compute_dtype)

    @property
    def _written_by_advance(self) -> bool:
        return self.direction == "down" and self.mask_type == "B"

    def start_pixel(self, weights, state, pixels: ActivePixels):
        if isinstance(state, Recent):
            pixels.update(self)

    def _outputs(self, wavefront: Wavefront, pixels: ActivePixels, own):
        kernel, bias = pixels[self].weights
        around, seen = self._around(), []
        if around:
            state = pixels[self].state
            seen = wavefront.read(state.buffer if isinstance(state, Recent) else state, around)
        if self._sees_own_pixel:
            seen.append(own)
        seen = tf.concat(seen, axis=-1) if len(seen) > 1 else seen[0]
        return self.activation(seen @ kernel + bias)

    def advance(self, x, pixels: ActivePixels):
        """``'down'``: returns all outputs ``[lanes, filters]`` at the pixels ``lookahead`` steps
        ahead.

        Args:
            x: ``[lanes, features]``, what the previous layer has just returned; None for type A,
                which reads what it has observed.
            pixels: the active pixels.
        """
        layer_state = pixels[self]
        if self._written_by_advance and self._around():
            ready = pixels.ahead(layer_state.lookahead + self._right)
            layer_state.state = ready.write(layer_state.state, x)
        return self._outputs(pixels.ahead(layer_state.lookahead), pixels, x)

    def step(self, x, pixels: ActivePixels):
        """``'down_right'``: returns all outputs ``[lanes, filters]`` at the active pixels. They are
        computed for the first channel, and the same for the others.

        Args:
            x: ``[lanes, features]``, all features together, for the first channel; None for type
                A, which does not see this pixel and is given its channels by ``observe``.
            pixels: the active pixels.
        """
        layer_state = pixels[self]
        if pixels.channel == 0:
            if self.mask_type == "B":
                self.observe(x, pixels)
            layer_state.sums = self.outputs(pixels)
        return layer_state.sums

    def outputs(self, pixels: ActivePixels):
        """Returns the outputs at the active pixels, from what was observed."""
        layer_state = pixels[self]
        own = layer_state.groups[0] if layer_state.groups else None
        return self._outputs(pixels, pixels, own)

    def observe(self, x, pixels: ActivePixels) -> None:
        """Takes in the next channel of the active pixels, for later pixels."""
        pixels[self].groups.append(tf.cast(x, self.compute_dtype))

    def end_pixel(self, layer_state: LayerState, pixels: ActivePixels):
        if not layer_state.groups or not self._around():  # nothing observed, or nothing to keep
            return layer_state.state
        return layer_state.state._replace(newest=tf.concat(layer_state.groups, axis=-1))

    def get_config(self):
        return {**super().get_config(), "direction": self.direction}
