"""Causal convolutions without masks: the input is shifted, and the whole kernel is used.

What a kernel may not see is not in it. ``masked_to_shifted`` and ``shifted_to_masked`` say which
of these convolutions make up a masked one.
"""

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.checks import count
from pixelcnn_tf.errors import suggestion
from pixelcnn_tf.layers import PACKAGE, CausalConv2D, MaskedConv2D
from pixelcnn_tf.masks import MASK_TYPES, kernel_shape

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

    Stride 1, zero padding, spatial size kept. There are no colour groups: the features of a
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

    # The raster way. Features of whole rows ('down') are made on a front of their own, ahead of
    # the pixels at hand, by ``advance``; the others pixel by pixel, by ``step``.

    def layers_ahead(self):
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

    def raster_weights(self):
        """``[rows * columns * features, filters]``, ``[filters]``."""
        kernel = tf.cast(self.used_kernel(), self.compute_dtype)
        return tf.reshape(kernel, [-1, self.filters]), self.raster_bias(kernel.dtype)

    def init_state(self, raster):
        if not self._around():
            return ()
        newest = 0
        if self.direction == "down":
            # Inputs of type B are ready ``_right`` steps before the rightmost of its own row is
            # needed; those of type A, the rows above, when the walk itself has passed them.
            newest = self._right + 1 if self.mask_type == "B" else -raster.leads[self]
        features = self.kernel.shape[2]
        return raster.history(self._up, self._left + newest, features, self.compute_dtype)

    def _outputs(self, front, slot, own):
        weights, bias = slot.weights
        seen = [front.look(slot.state, up, right) for up, right in self._around()]
        return self.activation(tf.concat(seen + [own] * self._takes_own, axis=-1) @ weights + bias)

    def advance(self, x, pixels):
        """``'down'``: the outputs ``[lanes, filters]`` at the pixels that are ``lead`` steps ahead.

        Args:
            x: ``[lanes, features]``, what the layer before made now; None for type A, which
                looks at what it has observed.
        """
        slot = pixels[self]
        if self.mask_type == "B" and self._around():
            slot.state = pixels.ahead(slot.lead + self._right).record(slot.state, x)
        return self._outputs(pixels.ahead(slot.lead), slot, x)

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
        return pixels.record(slot.state, tf.concat(slot.groups, axis=-1))

    def get_config(self):
        return {**super().get_config(), "direction": self.direction}


def masked_to_shifted(
    layer: MaskedConv2D,
) -> tuple[ShiftedConv2D | None, ShiftedConv2D | None]:
    """The shifted convolutions whose outputs add up to those of a masked one of one channel.

    Args:
        layer: built, with ``n_channels=1`` and without an activation: that comes after the sum.

    Returns:
        ``(vertical, horizontal)``, both built and in the layer's dtype policy: the rows above,
        ``'down'`` of type A, None for a kernel of one row; and what is left of the centre in its
        own row, ``'down_right'`` of the layer's mask type, None where that is nothing (type A,
        one column). The bias is the horizontal one's, if there is one. Initializers and
        regularizers are not taken over.

    Raises:
        ValueError: several colour groups (a shifted kernel sees all features of a pixel or none
            of them), an activation, a layer that is not built or sees nothing.

    Source: arXiv 1606.05328, section 2.3: a masked kernel can be had by cropping and shifting.
    """
    if not isinstance(layer, MaskedConv2D):
        raise ValueError(f"{layer!r:.80}: must be a MaskedConv2D")
    if layer.n_channels != 1:
        raise ValueError(
            f"n_channels={layer.n_channels}: must be 1; colour groups within a pixel have no "
            "shifted twin"
        )
    _check_linear(layer)
    width, centre = layer.kernel_size[1], int(layer.mask_type == "B")
    kernel = layer.kernel.numpy() * layer.mask
    above, left = kernel[:-1], kernel[-1:, : width // 2 + centre]
    bias = layer.bias.numpy() if layer.use_bias else None
    if not above.size and not left.size:
        raise ValueError(f"{layer.name}: a 1x1 kernel of type A sees nothing")

    def part(kernel, direction, mask_type, bias):
        if not kernel.size:
            return None
        size, (features, filters) = kernel.shape[:2], kernel.shape[2:]
        made = ShiftedConv2D(
            filters, size, direction, mask_type, use_bias=bias is not None, dtype=layer.dtype_policy
        )
        made.build((None, None, None, features))
        made.set_weights([kernel] if bias is None else [kernel, bias])
        return made

    horizontal = part(left, "down_right", layer.mask_type, bias)
    return part(above, "down", "A", bias if horizontal is None else None), horizontal


def shifted_to_masked(
    vertical: ShiftedConv2D | None, horizontal: ShiftedConv2D | None
) -> MaskedConv2D:
    """The masked convolution whose outputs are the sum of those of two shifted ones: the inverse
    of ``masked_to_shifted``.

    Args:
        vertical: built, ``'down'`` of type A with an odd number of columns; or None.
        horizontal: built, ``'down_right'`` with one row; or None. Beside a vertical one of k
            columns, ``k // 2`` columns (type A) or ``k // 2 + 1`` (type B). Both without an
            activation.

    Returns:
        a built layer of ``n_channels=1``, in the dtype policy of the horizontal one. Its bias is
        the sum of theirs. Initializers and regularizers are not taken over.

    Raises:
        ValueError: layers that are not such a pair, have an activation or are not built.
    """
    parts = [part for part in (vertical, horizontal) if part is not None]
    for part in parts:
        if not isinstance(part, ShiftedConv2D):
            raise ValueError(f"{part!r:.80}: must be a ShiftedConv2D")
        _check_linear(part)
    type_b = horizontal is not None and horizontal.mask_type == "B"
    rows, width = (0, None) if vertical is None else vertical.kernel_size
    left = 0 if horizontal is None else horizontal.kernel_size[1]
    width = width or 2 * (left - type_b) + 1
    fits = (
        parts
        and (vertical is None or (vertical.direction, vertical.mask_type) == ("down", "A"))
        and (horizontal is None or horizontal.direction == "down_right")
        and (horizontal is None or horizontal.kernel_size[0] == 1)
        and width % 2 == 1
        and left == width // 2 + type_b
        and len({part.kernel.shape[2:] for part in parts}) == 1
        and all(part.strides == 1 for part in parts)
    )
    if not fits:
        raise ValueError(
            f"vertical={_described(vertical)}, horizontal={_described(horizontal)}: not the parts "
            "of a masked kernel; must be 'down' A (n, k) with k odd and 'down_right' A (1, k // 2) "
            "or B (1, k // 2 + 1), of the same features"
        )

    features, filters = parts[-1].kernel.shape[2:]
    biases = [part.bias.numpy() for part in parts if part.use_bias]
    masked = MaskedConv2D(
        filters,
        (2 * rows + 1, width),
        "B" if type_b else "A",
        n_channels=1,
        use_bias=bool(biases),
        dtype=parts[-1].dtype_policy,
    )
    masked.build((None, None, None, features))
    kernel = np.zeros_like(masked.kernel.numpy())
    if vertical is not None:
        kernel[:-1] = vertical.used_kernel().numpy()
    if horizontal is not None:
        kernel[-1:, :left] = horizontal.used_kernel().numpy()
    masked.set_weights([kernel, sum(biases)] if biases else [kernel])
    return masked


def _check_linear(layer) -> None:
    """Raises ValueError unless the layer is built and has no activation."""
    if not layer.built:
        raise ValueError(f"{layer.name}: not built, so it has no weights yet")
    if layer.activation is not keras.activations.linear:
        raise ValueError(
            f"{layer.name}: activation={layer.activation.__name__!r}; must be None, for it would "
            "come after the sum of the two parts"
        )


def _described(layer: ShiftedConv2D | None) -> str:
    if layer is None:
        return "None"
    return f"{layer.direction} {layer.mask_type} {layer.kernel_size} of {layer.kernel.shape[2:]}"
