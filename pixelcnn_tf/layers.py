"""Causal layers."""

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.checks import count
from pixelcnn_tf.masks import colour_groups, get_mask, kernel_shape
from pixelcnn_tf.raster import Causal

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


class CausalConv2D(Causal, keras.layers.Layer):
    """What masked and shifted convolutions share.

    Args:
        filters: output feature maps.
        mask_type: ``'A'`` (the first layer) or ``'B'`` (all others).
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer: as in ``keras.layers.Conv2D``.
    """

    #: The shape of a kernel of which all is seen, ``(height, width)``.
    kernel_size: tuple[int, int]

    #: Whether ``call`` finds the kernel in its compute dtype.
    autocast_kernel = True

    def __init__(
        self,
        filters: int,
        mask_type: str = "B",
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
        self.mask_type = mask_type
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def add_kernel(self, shape, initializer, features: int) -> None:
        """Make the weights, for so many input features."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            autocast=self.autocast_kernel,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: features})

    def known_features(self, input_shape) -> int:
        """Of the input; ValueError if they are not known."""
        if input_shape[-1] is None:
            raise ValueError(f"{self.name}: the number of input features must be known")
        return input_shape[-1]

    def raster_bias(self, dtype):
        """The bias, or zeros, ``[filters]``."""
        return tf.cast(self.bias, dtype) if self.use_bias else tf.zeros([self.filters], dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "mask_type": self.mask_type,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskedConv2D(CausalConv2D):
    """A 2D convolution that sees only what comes earlier in the raster order.

    Stride 1, zero padding, spatial size kept. Only the rows that the mask keeps are
    stored and convolved: the centre row and those above it, ``height // 2 + 1`` of
    ``height``; of a kernel of one row, only the columns that it keeps. The entries of the
    centre row that the mask forbids are stored as zeros, left out of every product by the
    mask and never receive a gradient.

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

    def raster_weights(self):
        """``around`` ``[pixels around * features, filters]``; ``here``: for each colour group of
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
        return tf.concat(around, axis=0) if around else (), here, self.raster_bias(kernel.dtype)

    def init_state(self, raster):
        if not self._around():
            return ()
        up, side = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        return raster.history(up, side, self.mask.shape[2], self.compute_dtype)

    def start_pixel(self, weights, state, pixels):
        around, _, bias = weights
        if not self._around():
            return tf.repeat(bias[None], pixels.raster.lanes, axis=0)
        seen = [pixels.look(state, up, right) for up, right in self._around()]
        return tf.concat(seen, axis=-1) @ around + bias

    def observe(self, x, pixels):
        """Take in the next colour group of this pixel: all outputs that may see it count it."""
        at = pixels[self]
        x = tf.cast(x, self.compute_dtype)
        here = at.weights[1][len(at.groups)]
        at.groups.append(x)
        if here.shape[-1]:
            at.sums += x @ here

    def step(self, x, pixels):
        """The output of the next colour group. Type B takes in ``x`` first; type A is given its
        own colour group afterwards, by ``observe``, when it is known."""
        at = pixels[self]
        if self.mask_type == "B":
            self.observe(x, pixels)
        output, at.sums = tf.split(at.sums, [self.filters // self.n_channels, -1], axis=-1)
        return self.activation(output)

    def end_pixel(self, slot, pixels):
        if not self._around():
            return ()
        return pixels.record(slot.state, tf.concat(slot.groups, axis=-1))

    def get_config(self):
        return {**super().get_config(), "n_channels": self.n_channels}


@keras.saving.register_keras_serializable(package=PACKAGE)
class PReLU(Causal, keras.layers.PReLU):
    """``x`` where positive, else ``slope * x``, with one slope a feature, 0.25 at first.

    Args:
        n_channels: colours a pixel.

    Input and output: ``[batch, height, width, features]``, features a multiple of
    ``n_channels``.

    Source: He et al. 2015, arXiv 1502.01852, equation 1.
    """

    def __init__(self, n_channels: int = 3, **kwargs):
        slope = keras.initializers.Constant(0.25)
        super().__init__(**{"alpha_initializer": slope, "shared_axes": [1, 2], **kwargs})
        self.n_channels = n_channels

    def raster_weights(self):
        return tf.split(tf.cast(self.alpha[0], self.compute_dtype), self.n_channels, axis=-1)

    def step(self, x, pixels):
        return tf.where(x > 0, x, pixels[self].weights[pixels.channel] * x)

    def get_config(self):
        return {**super().get_config(), "n_channels": self.n_channels}


@keras.saving.register_keras_serializable(package=PACKAGE)
class ClassBias(Causal, keras.layers.Layer):
    """Adds a learned bias for each class and feature to feature maps, zero at first.

    Args:
        n_classes: labels are 0 to ``n_classes - 1``.
        n_channels: colours a pixel.

    Input: features ``[batch, height, width, features]`` and integer labels ``[batch]``.
    Output: of the shape of the features.

    Raises:
        ValueError: fewer than one class.

    Source: arXiv 1606.05328, equation 4, where labels are one-hot vectors.
    """

    def __init__(self, n_classes: int, n_channels: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.n_classes = count("n_classes", n_classes)
        self.n_channels = n_channels

    def build(self, inputs_shape, labels_shape=None):
        shape = (self.n_classes, inputs_shape[-1])
        self.biases = self.add_weight(name="class_bias", shape=shape, initializer="zeros")
        self.built = True

    def call(self, inputs, labels):
        one_hot = tf.one_hot(labels, self.n_classes, dtype=self.compute_dtype)
        return inputs + (one_hot @ self.biases)[:, None, None]

    def init_state(self, raster):
        """The bias of each lane, ``[lanes, features]``; labels do not change on the way."""
        biases = tf.cast(self.biases, self.compute_dtype)
        if raster.labels is None:
            return tf.zeros([raster.lanes, biases.shape[1]], biases.dtype)
        return tf.tile(tf.gather(biases, raster.labels), [raster.rows, 1])

    def step(self, x, pixels):
        return x + tf.split(pixels[self].state, self.n_channels, axis=-1)[pixels.channel]

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return inputs_shape

    def get_config(self):
        config = {"n_classes": self.n_classes, "n_channels": self.n_channels}
        return {**super().get_config(), **config}


def checked_labels(labels, n, n_classes: int | None):
    """``labels`` as int32 ``[n]``, None without classes; those of Keras's own data sets are
    ``[n, 1]``.

    Args:
        labels: integers 0 to ``n_classes - 1``.
        n: number of images.
        n_classes: of the model; None for one without classes.

    Raises:
        ValueError: they are missing, not wanted, or no integers.
        tf.errors.InvalidArgumentError: not one an image, or out of range.
    """
    if (labels is None) != (n_classes is None):
        raise ValueError(
            f"labels: a model without classes takes none, not {labels!r:.80}"
            if n_classes is None
            else f"labels: not given; must be integers from 0 to {n_classes - 1}, for the model is "
            "class-conditional"
        )
    if labels is None:
        return None
    labels = tf.convert_to_tensor(labels)
    if not labels.dtype.is_integer:
        raise ValueError(f"labels: {labels.dtype.name}; must be integers")
    labels = tf.reshape(tf.cast(labels, tf.int64), [-1])  # not yet 32 bits: 2**32 would become 0
    wanted = f"labels: must be one an image, from 0 to {n_classes - 1}"
    tf.debugging.assert_equal(tf.size(labels), n, wanted)
    tf.debugging.assert_equal(labels, tf.clip_by_value(labels, 0, n_classes - 1), wanted)
    return tf.cast(labels, tf.int32)
