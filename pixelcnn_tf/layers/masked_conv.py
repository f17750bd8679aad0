"""The masked convolution."""

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.causal_conv import CausalConv2D
from pixelcnn_tf.layers.masks import channel_groups, get_mask, kernel_shape
from pixelcnn_tf.utils.serialization import PACKAGE


def _for_group(initializer, group: int):
    """A copy of ``initializer`` that draws other numbers for each channel group.

    A Keras initializer with a fixed seed returns the same numbers at every call, which
    would make the groups of one layer copies of each other.
    """
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    if isinstance(config.get("seed"), dict):
        return initializer  # a SeedGenerator: goes on by itself
    if isinstance(config.get("seed"), int):
        config["seed"] += group
    return type(initializer).from_config(config)


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskedConv2D(CausalConv2D):
    """A 2D convolution that sees only what comes earlier in the raster order.

    Stride 1, zero padding, spatial size kept. Only the rows that the mask keeps are
    stored and convolved: the centre row and those above it, ``height // 2 + 1`` of
    ``height``; of a kernel of one row, only the columns that it keeps. The entries of the
    centre row that the mask forbids are stored as zeros, left out of every product by the
    mask and never receive a gradient.

    The initializer is called once for each channel group with the shape ``(weights that
    one output sees, outputs of the group)``, so that fan-in is the true number of inputs.

    Args:
        filters: output feature maps, a multiple of ``n_channels``.
        kernel_size: odd side, or odd ``(height, width)``.
        mask_type: ``'A'`` (the first layer) or ``'B'`` (all others), see ``get_mask``.
        n_channels: channels per pixel; 1 is greyscale.
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer: as in ``keras.layers.Conv2D``.

    Input: ``[batch, height, width, features]``, features a multiple of ``n_channels``.
    Output: ``[batch, height, width, filters]``, in the layer's compute dtype.

    Raises:
        ValueError: even kernel, features that do not divide, unknown mask type.

    Source: arXiv 1601.06759, section 3.4.

    Example:
        >>> layer = MaskedConv2D(6, kernel_size=7, mask_type="A")
        >>> layer(np.zeros([1, 8, 8, 3], "float32")).shape
        TensorShape([1, 8, 8, 6])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        mask_type: str = "B",
        n_channels: int = 3,
        activation=None,
        **options,
    ):
        super().__init__(filters, mask_type, activation, **options)
        self.kernel_size = kernel_shape(kernel_size)
        self.n_channels = n_channels
        get_mask(1, n_channels, filters, mask_type, n_channels)  # checks the arguments

    def build(self, input_shape):
        features = self.known_features(input_shape)
        height, width = self.kernel_size
        mask = get_mask(self.kernel_size, features, self.filters, self.mask_type, self.n_channels)
        columns = width
        if height == 1:
            sees_centre = bool(mask[0, width // 2].any()) or width == 1
            columns = width // 2 + sees_centre
        self.mask = mask[: height // 2 + 1, :columns] > 0
        self.add_kernel(self.mask.shape, self._initial_kernel, features)

    def _initial_kernel(self, shape, dtype):
        """Each group's visible weights as one dense matrix, placed where they belong."""
        group_of = channel_groups(self.filters, self.n_channels)
        columns = []
        for group in range(self.n_channels):
            width = int(np.sum(group_of == group))
            seen = np.flatnonzero(self.mask[..., group_of == group][..., 0])
            column = tf.zeros([self.mask[..., 0].size, width], dtype)
            if seen.size:
                initializer = _for_group(self.kernel_initializer, group)
                values = tf.cast(initializer((seen.size, width), dtype=dtype), dtype)
                column = tf.tensor_scatter_nd_update(column, seen[:, None], values)
            columns.append(column)
        return tf.reshape(tf.concat(columns, axis=1), shape)

    def call(self, inputs):
        height, width = self.kernel_size
        # Padding apart from the convolution: TensorFlow's explicit padding inside it is slower,
        # in bfloat16 on a CPU some 100 times (-m benchmarks conv).
        if (height, width) != (1, 1):
            right = self.mask.shape[1] - 1 - width // 2  # -1 where not even the centre is seen
            inputs = inputs if right >= 0 else inputs[:, :, :right]
            sides = [width // 2, max(right, 0)]
            inputs = tf.pad(inputs, [[0, 0], [height // 2, 0], sides, [0, 0]])
        kernel = self.kernel
        if not self.mask.all():
            kernel = kernel * tf.cast(self.mask, self.compute_dtype)
        outputs = tf.nn.conv2d(inputs, kernel, strides=1, padding="VALID")
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def reach(self, width):
        return self.kernel_size[1] // 2

    def _around(self) -> list[tuple[int, int]]:
        """The pixels that it sees besides the centre, as (rows up, columns right)."""
        up, side = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        above = [(y, x) for y in range(up, 0, -1) for x in range(-side, side + 1)]
        return above + [(0, x) for x in range(-side, 0)]

    def incremental_weights(self):
        """``around`` ``[pixels around * features, filters]``; ``here``: for each channel group of
        this pixel's input ``[features of the group, filters of the groups that may see it]``;
        ``bias`` ``[filters]``. What the mask closes is in none of them."""
        kernel = tf.cast(self.kernel, self.compute_dtype)
        up, side = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        around = [kernel[up - y, side + x] for y, x in self._around()]
        first = 0 if self.mask_type == "B" else self.filters // self.n_channels
        # Type A of one colour sees nothing of the centre, which may not even be stored.
        centre = kernel[up, min(side, kernel.shape[1] - 1)]
        here = [
            rows[:, first + group * (self.filters // self.n_channels) :]
            for group, rows in enumerate(tf.split(centre, self.n_channels))
        ]
        return tf.concat(around, axis=0) if around else (), here, self.bias_or_zeros(kernel.dtype)

    def init_state(self, schedule):
        if not self._around():
            return ()
        up, side = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        return schedule.ring_buffer(up, side, self.mask.shape[2], self.compute_dtype)

    def start_pixel(self, weights, state, pixels):
        around, _, bias = weights
        if not self._around():
            return tf.repeat(bias[None], pixels.schedule.lanes, axis=0)
        seen = [pixels.read(state, up, right) for up, right in self._around()]
        return tf.concat(seen, axis=-1) @ around + bias

    def observe(self, x, pixels):
        """Take in the next channel group of this pixel: all outputs that may see it count it."""
        at = pixels[self]
        x = tf.cast(x, self.compute_dtype)
        here = at.weights[1][len(at.groups)]
        at.groups.append(x)
        if here.shape[-1]:
            at.sums += x @ here

    def step(self, x, pixels):
        """The output of the next channel group. Type B takes in ``x`` first; type A is given its
        own channel group afterwards, by ``observe``, when it is known."""
        at = pixels[self]
        if self.mask_type == "B":
            self.observe(x, pixels)
        output, at.sums = tf.split(at.sums, [self.filters // self.n_channels, -1], axis=-1)
        return self.activation(output)

    def end_pixel(self, slot, pixels):
        if not self._around():
            return ()
        return pixels.write(slot.state, tf.concat(slot.groups, axis=-1))

    def get_config(self):
        return {**super().get_config(), "n_channels": self.n_channels}
