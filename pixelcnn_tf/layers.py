"""Causal layers."""

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.masks import colour_groups, get_mask, kernel_shape

PACKAGE = "pixelcnn_tf"


def _for_group(initializer, group: int):
    """A copy of ``initializer`` that draws other numbers for each colour group.

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
class MaskedConv2D(keras.layers.Layer):
    """A 2D convolution that sees only what comes earlier in the raster order.

    Stride 1, zero padding, spatial size kept. Only the rows that the mask keeps are
    stored and convolved: the centre row and those above it, ``height // 2 + 1`` of
    ``height``. The entries of the centre row that the mask forbids are stored as zeros,
    left out of every product by the mask and never receive a gradient.

    The initializer is called once for each colour group with the shape ``(weights that
    one output sees, outputs of the group)``, so that fan-in is the true number of inputs.

    Args:
        filters: output feature maps, a multiple of ``n_channels``.
        kernel_size: odd side, or odd ``(height, width)``.
        mask_type: ``'A'`` (the first layer) or ``'B'`` (all others), see ``get_mask``.
        n_channels: colours a pixel; 1 is greyscale.
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
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_shape(kernel_size)
        self.mask_type = mask_type
        self.n_channels = n_channels
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        get_mask(1, n_channels, filters, mask_type, n_channels)  # checks the arguments
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"{self.name}: the number of input features must be known")
        rows = self.kernel_size[0] // 2 + 1
        mask = get_mask(self.kernel_size, features, self.filters, self.mask_type, self.n_channels)
        self.mask = mask[:rows].astype(bool)
        self.kernel = self.add_weight(
            name="kernel",
            shape=self.mask.shape,
            initializer=self._initial_kernel,
            regularizer=self.kernel_regularizer,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: features})

    def _initial_kernel(self, shape, dtype):
        """Each group's visible weights as one dense matrix, placed where they belong."""
        group_of = colour_groups(self.filters, self.n_channels)
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
        # in bfloat16 on a CPU some 100 times (scripts/benchmark.py conv).
        if (height, width) != (1, 1):
            sides = [[0, 0], [height // 2, 0], [width // 2, width // 2], [0, 0]]
            inputs = tf.pad(inputs, sides)
        kernel = self.kernel * tf.cast(self.mask, self.compute_dtype)
        outputs = tf.nn.conv2d(inputs, kernel, strides=1, padding="VALID")
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "mask_type": self.mask_type,
            "n_channels": self.n_channels,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }
