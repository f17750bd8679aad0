"""Causal convolutions without masks: the input is shifted, and the whole kernel is used.

What a kernel may not see is not in it. ``masked_to_shifted`` and ``shifted_to_masked`` say which
of these convolutions make up a masked one.
"""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.causal_conv import CausalConv2D
from pixelcnn_tf.layers.masks import MASK_TYPES, kernel_shape
from pixelcnn_tf.utils.errors import suggestion
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count

DIRECTIONS = ("down", "down_right")


@keras.saving.register_keras_serializable(package=PACKAGE)
class ShiftedConv2D(CausalConv2D):
    """A 2D convolution of ``rows x columns`` that is causal by where its kernel lies.

    Where the kernels lie, here 2 x 3, of an output at ``o`` (which a kernel of type B sees,
    too)::

        down, B        down, A        down_right, B      down_right, A
         x x x          x x x          x x x              x x x .
         x o x          x x x          x x o              x x x o
                        . o .

    ``'down'`` makes features of whole rows: the last ``rows`` rows, ending with the output's own
    (type B) or with the one above (type A), in ``columns`` columns around its own; of an even
    number one more lies to the left. ``'down_right'`` ends with the output's own row and its own
    column (type B) or the column before it (type A), in every row. Type A is for the image. In
    later layers, ``'down'`` of type B keeps to the rows above if its input was made by ``'down'``
    alone; ``'down_right'`` of type B keeps the order after both.

    Stride 1, zero padding, spatial size kept. There are no channel groups: the features of a
    pixel are seen together or not at all, so that the colours of one pixel cannot condition on
    each other through this layer.

    Args:
        filters: output feature maps.
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

        # How far the kernel goes from the output; type A is one row or one column further away.
        rows, columns = self.kernel_size
        away = int(mask_type == "A")
        self._up = rows - 1 + away * (direction == "down")
        self._left = columns // 2 if direction == "down" else columns - 1 + away
        self._right = columns - 1 - self._left  # -1: not even its own column

    def build(self, input_shape):
        features = self.known_features(input_shape)
        shape = (*self.kernel_size, features, self.filters)
        self.add_kernel(shape, self.kernel_initializer, features)

    def call(self, inputs):
        below = self.kernel_size[0] - 1 - self._up  # 0 or -1, as ``_right``
        if self.mask_type == "A":  # else a slice of everything, whose gradient takes long
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
        """The kernel that inputs are convolved with; a subclass may make another of it."""
        return self.kernel

    # Incremental evaluation. Features of whole rows ('down') are made on a wavefront of their own,
    # ahead of the pixels at hand, by ``advance``; the others pixel by pixel, by ``step``.

    def lookahead_layers(self):
        return [self] if self.direction == "down" else []

    def reach(self, width):
        return max(self._right, 0)

    @property
    def _takes_own(self) -> bool:
        """Whether the last pixel that it sees is the output's own."""
        return self.mask_type == "B" and self._right == 0

    def _around(self) -> list[tuple[int, int]]:
        """The pixels that it sees, as (rows up, columns right), less its own if that is last."""
        below = self._up - self.kernel_size[0]
        seen = [
            (up, right)
            for up in range(self._up, below, -1)
            for right in range(-self._left, self._right + 1)
        ]
        return seen[:-1] if self._takes_own else seen

    def incremental_weights(self):
        """``[rows * columns * features, filters]``, ``[filters]``."""
        kernel = tf.cast(self.used_kernel(), self.compute_dtype)
        return tf.reshape(kernel, [-1, self.filters]), self.bias_or_zeros(kernel.dtype)

    def init_state(self, schedule):
        if not self._around():
            return ()
        newest = 0
        if self.direction == "down":
            # Inputs of type B are ready ``_right`` steps before the rightmost of its own row is
            # needed; those of type A, the rows above, when the walk itself has passed them.
            newest = self._right + 1 if self.mask_type == "B" else -schedule.lookaheads[self]
        features = self.kernel.shape[2]
        return schedule.ring_buffer(self._up, self._left + newest, features, self.compute_dtype)

    def _outputs(self, wavefront, slot, own):
        weights, bias = slot.weights
        seen = [wavefront.read(slot.state, up, right) for up, right in self._around()]
        return self.activation(tf.concat(seen + [own] * self._takes_own, axis=-1) @ weights + bias)

    def advance(self, x, pixels):
        """``'down'``: the outputs ``[lanes, filters]`` at the pixels ``lookahead`` steps ahead.

        Args:
            x: ``[lanes, features]``, what the layer before made now; None for type A, which
                looks at what it has observed.
        """
        slot = pixels[self]
        if self.mask_type == "B" and self._around():
            slot.state = pixels.ahead(slot.lookahead + self._right).write(slot.state, x)
        return self._outputs(pixels.ahead(slot.lookahead), slot, x)

    def step(self, x, pixels):
        """``'down_right'``: all outputs ``[lanes, filters]`` at the pixels at hand. They are made
        at the first colour's turn, and are the same at the turns of the others.

        Args:
            x: ``[lanes, features]``, all features together, at the first colour's turn; None for
                type A, which does not see this pixel and is given its colours by ``observe``.
        """
        slot = pixels[self]
        if pixels.channel == 0:
            if self.mask_type == "B":
                self.observe(x, pixels)
            slot.sums = self.outputs(pixels)
        return slot.sums

    def outputs(self, pixels):
        """The outputs at the pixels at hand, from what was observed."""
        slot = pixels[self]
        return self._outputs(pixels, slot, slot.groups[0] if slot.groups else None)

    def observe(self, x, pixels):
        """Type A: take in the next colour of this pixel, for later pixels."""
        pixels[self].groups.append(tf.cast(x, self.compute_dtype))

    def end_pixel(self, slot, pixels):
        if not slot.groups or not self._around():  # nothing taken in here, or nothing to keep
            return slot.state
        return pixels.write(slot.state, tf.concat(slot.groups, axis=-1))

    def get_config(self):
        return {**super().get_config(), "direction": self.direction}
