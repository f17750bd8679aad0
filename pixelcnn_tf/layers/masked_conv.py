"""The masked convolution."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.causal_conv import CausalConv2D
from pixelcnn_tf.layers.masks import channel_groups, get_mask, kernel_shape
from pixelcnn_tf.layers.schedule import ActivePixels, Window
from pixelcnn_tf.utils.serialization import PACKAGE


class MaskedConvWeights(NamedTuple):
    """The weights of a ``MaskedConv2D`` at the centre of its kernel, without the masked-out ones;
    those around it are ``MaskedConv2D.window_weights``.

    Attributes:
        centre: for each channel group of the active pixels ``[features of the group, filters of
            the groups that may see it]``.
        bias: ``[filters]``.

    Example:
        >>> layer = MaskedConv2D(4, kernel_size=3, n_channels=2)
        >>> layer.build((None, None, None, 6))
        >>> weights = layer.incremental_weights()
        >>> [group.shape.as_list() for group in weights.centre]
        [[3, 4], [3, 2]]
    """

    centre: list[tf.Tensor]
    bias: tf.Tensor


def _for_group(initializer, group: int):
    """A copy of ``initializer`` that draws different numbers for each channel group.

    A Keras initializer with a fixed seed returns the same numbers at every call, which
    would make the groups of one layer copies of each other.
    """
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    if isinstance(config.get("seed"), dict):
        return initializer  # a SeedGenerator, which has a state of its own
    if isinstance(config.get("seed"), int):
        config["seed"] += group
    return type(initializer).from_config(config)


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskedConv2D(CausalConv2D):
    """A 2D convolution that sees only sub-pixels that come earlier in raster order.

    The stride is 1, the input is padded with zeros, and the spatial size is kept. Only the
    rows that the mask keeps are stored and convolved: the centre row and the rows above it,
    ``height // 2 + 1`` of ``height``; of a kernel of one row, only the columns that the mask
    keeps. The masked-out weights of the centre row are stored as zeros, multiplied by the
    mask in every product, and never receive a gradient.

    The initializer is called once for each channel group with the shape ``(weights that
    one output sees, outputs of the group)``, so that fan-in is the true number of inputs.

    Args:
        filters: number of output feature maps, a multiple of ``n_channels``.
        kernel_size: side, or ``(height, width)``, from 1 up; the centre is as in ``get_mask``.
        mask_type: ``'A'`` (the first layer) or ``'B'`` (all others), see ``get_mask``.
        n_channels: number of channels per pixel; 1 for greyscale images.
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer: as in ``keras.layers.Conv2D``.

    Input: ``[batch, height, width, features]``, features a multiple of ``n_channels``.
    Output: ``[batch, height, width, filters]``, in the layer's compute dtype.

    Raises:
        ValueError: a kernel without pixels, a number of features that ``n_channels`` does not
            divide, or an unknown mask type.

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
        self.kernel_size = kernel_shape(kernel_size, odd=False)
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
        """The weights of each channel group, drawn as one dense matrix, at their places in the
        kernel."""
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
        # Padding is a separate operation, because explicit padding within TensorFlow's
        # convolution is slower: about 100 times in bfloat16 on a CPU (-m benchmarks conv).
        if (height, width) != (1, 1):
            right = self.mask.shape[1] - 1 - width // 2  # -1 if not even the centre is stored
            inputs = inputs if right >= 0 else inputs[:, :, :right]
            sides = [width // 2, max(right, 0)]
            inputs = tf.pad(inputs, [[0, 0], [height // 2, 0], sides, [0, 0]])
        outputs = tf.nn.conv2d(inputs, self.used_kernel(), strides=1, padding="VALID")
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def used_kernel(self):
        """Returns the kernel that is convolved with, without the masked-out weights."""
        if self.mask.all():
            return self.kernel
        return self.kernel * tf.cast(self.mask, self.compute_dtype)

    def reach(self, width: int) -> int:
        return (self.kernel_size[1] - 1) // 2

    def _around(self) -> list[tuple[int, int]]:
        """The pixels that the kernel covers besides the centre, as (rows up, columns right)."""
        up, left = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        right = self.kernel_size[1] - 1 - left
        above = [(y, x) for y in range(up, 0, -1) for x in range(-left, right + 1)]
        return above + [(0, x) for x in range(-left, 0)]

    def window(self) -> Window | None:
        if not self._around():
            return None
        *_, features, filters = self.kernel.shape
        return Window(tuple(self._around()), features, filters, self.compute_dtype)

    def window_weights(self) -> tf.Tensor:
        return self._kernel_rows()[: len(self._around()) * self.kernel.shape[2]]

    def _kernel_rows(self):
        """The kernel, ``[pixels * features, filters]``."""
        kernel = tf.cast(self.kernel, self.compute_dtype)
        return tf.reshape(kernel, [-1, self.filters])

    def incremental_weights(self) -> MaskedConvWeights:
        kernel, features = self._kernel_rows(), self.kernel.shape[2]
        n_around = len(self._around()) * features
        centre = kernel[n_around : n_around + features]
        group_size = self.filters // self.n_channels
        first = 0 if self.mask_type == "B" else group_size
        groups = tf.split(centre, self.n_channels)  # of no rows where it is not stored
        return MaskedConvWeights(
            centre=[group[:, first + i * group_size :] for i, group in enumerate(groups)],
            bias=self.bias_or_zeros(kernel.dtype),
        )

    def start_pixel(self, weights: MaskedConvWeights, state, pixels: ActivePixels):
        if not self._around():
            return tf.broadcast_to(weights.bias, [pixels.schedule.lanes, self.filters])
        return pixels.product(self) + weights.bias

    def observe(self, x, pixels: ActivePixels) -> None:
        """Takes in the next channel group of the active pixels, for all outputs that may see it."""
        layer_state = pixels[self]
        x = tf.cast(x, self.compute_dtype)
        weights = layer_state.weights.centre[len(layer_state.groups)]
        layer_state.groups.append(x)
        if weights.shape[-1]:
            layer_state.sums += x @ weights

    def step(self, x, pixels: ActivePixels):
        """Returns the next channel group of the output. Type B takes in ``x`` first; type A is
        given its own channel group by ``observe`` afterwards, when it is known."""
        layer_state = pixels[self]
        if self.mask_type == "B":
            self.observe(x, pixels)
        sizes = [self.filters // self.n_channels, -1]
        output, layer_state.sums = tf.split(layer_state.sums, sizes, axis=-1)
        return self.activation(output)

    def get_config(self):
        return {**super().get_config(), "n_channels": self.n_channels}
