"""The blocks that ``PixelRNN`` stacks: their base class, and those of convolutions.

A block keeps the shape of its input and the order of its channel groups.
"""

import keras

from pixelcnn_tf.layers.condition import ConditionBias, add_bias, step_bias
from pixelcnn_tf.layers.gated import TwoStackInput, VerticalToHorizontal
from pixelcnn_tf.layers.incremental import IncrementalBlock, IncrementalLayer, layers_of
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.masks import kernel_shape
from pixelcnn_tf.layers.pointwise import ClassBias, Dropout, PReLU, gate
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.utils.errors import suggestion
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import dropout_rate

VARIANTS = ("relu", "preactivation")


class _MadeLayers:
    """The layers that a block has made. A plain object, because Keras would save the layers of a
    list a second time, under the name of the list."""

    def __init__(self):
        self.layers: list[keras.layers.Layer] = []


class Block(IncrementalBlock, keras.layers.Layer):
    """The base class of blocks. A subclass makes its layers in ``build``, by ``make`` or
    ``make_conv``, and fills in ``call`` and ``step``; docs/extending.md shows how.

    Args:
        n_channels: number of channels per pixel.
        n_classes: for a class-conditional model: labels are 0 to ``n_classes - 1``, and
            ``call`` requires them; the block has a bias for each class.
        dropout: dropout rate before the last convolution, 0 to 1 (excluded).
        condition_features: for a conditional model: the number of features of the condition;
            ``call`` requires them.

    Input and output: ``[batch, height, width, features]``, features a multiple of
    ``features_per_channel * n_channels``; integer labels ``[batch]`` if ``n_classes`` is given;
    ``[batch, height, width, condition_features]``, from ``ConditionEncoder``, if that is given.

    Raises:
        ValueError: a number of features that is not such a multiple; ``dropout`` not in [0, 1).

    Example:
        >>> class Linear(pixelcnn_tf.Block):
        ...     def build(self, inputs_shape, labels_shape=None):
        ...         self.conv = self.make_conv("conv", inputs_shape[-1], inputs_shape[-1], 3)
        ...
        ...     def call(self, inputs, labels=None, training=False):
        ...         return self.conv(inputs)
        ...
        ...     def step(self, inputs, pixels):
        ...         return self.conv.step(inputs, pixels)
        >>> from pixelcnn_tf.testing import check_incremental
        >>> check_incremental(Linear(), (4, 5), features=6)
    """

    #: The number of features is a multiple of this times ``n_channels``.
    features_per_channel = 1

    def __init__(
        self,
        n_channels: int = 3,
        n_classes: int | None = None,
        dropout: float = 0.0,
        condition_features: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.n_channels = n_channels
        self.n_classes = n_classes
        self.condition_features = condition_features
        self.dropout = dropout_rate(dropout)
        self._drop = Dropout(dropout, dtype=self.dtype_policy) if dropout else None
        self._made = _MadeLayers()

    def input_layer(self, filters: int, kernel_size: int, **options):
        """Returns the layer that takes in the image before the first block."""
        return MaskedConv2D(filters, kernel_size, "A", self.n_channels, **options)

    def check_features(self, features: int) -> None:
        """Raises ValueError unless ``features`` is a multiple of what the block needs."""
        unit = self.features_per_channel * self.n_channels
        if features % unit:
            by = f"{self.features_per_channel} * " if self.features_per_channel > 1 else ""
            raise ValueError(
                f"{self.name}: {features} input features; must be a multiple of "
                f"{by}n_channels = {unit}"
            )

    def set_place(self, place: int, n_blocks: int) -> None:
        """Tells the block its place in a stack of ``n_blocks``, from 0 up, before it is built; for
        a block whose layers depend on it."""
        return None

    def make(self, layer_class, name: str, features: int, *args, **options):
        """Returns a new layer of the block, built for ``features`` input features."""
        layer = layer_class(*args, name=name, dtype=self.dtype_policy, **options)
        return self.add_layer(layer, (None, None, None, features))

    def add_layer(self, layer, input_shape):
        """Builds a layer for inputs of ``input_shape``, adds it to the block and returns it."""
        layer.build(input_shape)
        self._made.layers.append(layer)
        return layer

    def incremental_layers(self) -> list[IncrementalLayer]:
        """Returns the layers that ``make`` and ``make_conv`` have made."""
        return layers_of(self._made.layers)

    def make_conv(
        self, name: str, features: int, filters: int, kernel_size: int | tuple[int, int] = 1
    ) -> MaskedConv2D:
        """Returns a masked convolution of type B; see ``make``."""
        return self.make(MaskedConv2D, name, features, filters, kernel_size, "B", self.n_channels)

    def make_class_bias(self, name: str, features: int, n_channels: int) -> ClassBias | None:
        """Returns a layer that adds a bias for each class; None without classes."""
        if self.n_classes is None:
            return None
        return self.make(ClassBias, name, features, self.n_classes, n_channels)

    def make_condition_bias(
        self, name: str, features: int, n_channels: int
    ) -> ConditionBias | None:
        """Returns a layer that adds a projection of the condition; None without one."""
        if self.condition_features is None:
            return None
        return self.make(ConditionBias, name, features, self.condition_features, n_channels)

    def drop(self, x, training):
        """Returns ``x`` of any shape, in training with dropout."""
        return x if self._drop is None else self._drop(x, training=training)

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return inputs_shape

    def get_config(self):
        config = {
            **super().get_config(),
            "n_channels": self.n_channels,
            "n_classes": self.n_classes,
            "dropout": self.dropout,
        }
        if self.condition_features is not None:  # else as in files of version 0.2
            config["condition_features"] = self.condition_features
        return config


@keras.saving.register_keras_serializable(package=PACKAGE)
class PixelCNNResBlock(Block):
    """The residual block of PixelCNN: a 1x1 convolution to half the features, a k x k convolution
    and a 1x1 convolution back to all features, added to the input; all are masked, type B.

    Args:
        kernel_size: of the middle convolution; odd side or odd ``(height, width)``.
        n_channels, n_classes, dropout, condition_features: as in ``Block``.
        variant: ``'relu'`` has a ReLU after each convolution; ``'preactivation'`` has a PReLU
            before each (He et al. 2016, arXiv 1603.05027, figure 4e), so that a block can
            subtract from its input as well as add to it.

    Raises:
        ValueError: as ``Block``; an unknown variant, an even kernel.

    Source: arXiv 1601.06759, figure 5 (left) and section 3.3.

    Example:
        >>> block = pixelcnn_tf.PixelCNNResBlock(kernel_size=3, n_channels=3)
        >>> block(np.zeros([1, 8, 8, 12], "float32")).shape
        TensorShape([1, 8, 8, 12])
    """

    features_per_channel = 2

    def __init__(
        self,
        kernel_size: int | tuple[int, int] = 3,
        n_channels: int = 3,
        variant: str = "relu",
        **kwargs,
    ):
        super().__init__(n_channels, **kwargs)
        if variant not in VARIANTS:
            raise ValueError(
                f"variant={variant!r}: must be 'relu' or 'preactivation'"
                f"{suggestion(str(variant), list(VARIANTS))}"
            )
        self.kernel_size = kernel_shape(kernel_size)
        self.variant = variant

    def build(self, inputs_shape, labels_shape=None):
        features = inputs_shape[-1]
        self.check_features(features)
        half, make = features // 2, self.make
        widths = {"down": (features, half, 1), "middle": (half, half, self.kernel_size)}
        widths["up"] = (half, features, 1)
        # Assigned when complete, because TensorFlow does not track what is appended later.
        self.convs = [self.make_conv(name, *width) for name, width in widths.items()]
        self.activations = [
            make(keras.layers.ReLU, f"relu_{name}", n_out)
            if self.variant == "relu"
            else make(PReLU, f"prelu_{name}", n_in, self.n_channels)
            for name, (n_in, n_out, _) in widths.items()
        ]
        self.bias = self.make_class_bias("class", half, self.n_channels)
        self.condition = self.make_condition_bias("condition", half, self.n_channels)

    def call(self, inputs, labels=None, training=False, condition=None):
        down, middle, up = self.convs
        first, second, third = self.activations
        if self.variant == "relu":
            x = add_bias(self.bias, down(inputs), labels)
            x = first(add_bias(self.condition, x, condition))
            x = second(middle(x))
            x = third(up(self.drop(x, training)))
        else:
            x = add_bias(self.bias, down(first(inputs)), labels)
            x = add_bias(self.condition, x, condition)
            x = middle(second(x))
            x = up(third(self.drop(x, training)))
        return inputs + x

    def step(self, inputs, pixels):
        down, middle, up = self.convs
        first, second, third = self.activations
        if self.variant == "relu":
            x = step_bias(self.bias, down.step(inputs, pixels), pixels)
            x = first(step_bias(self.condition, x, pixels))
            x = second(middle.step(x, pixels))
            x = third(up.step(x, pixels))
        else:
            x = step_bias(self.bias, down.step(first.step(inputs, pixels), pixels), pixels)
            x = step_bias(self.condition, x, pixels)
            x = middle.step(second.step(x, pixels), pixels)
            x = up.step(third.step(x, pixels), pixels)
        return inputs + x

    def get_config(self):
        config = {"kernel_size": self.kernel_size, "variant": self.variant}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package=PACKAGE)
class GatedBlock(Block):
    """A layer of the Gated PixelCNN: a vertical stack, which sees all rows above, and a horizontal
    stack, which sees its own row to the left and, through a 1x1 convolution, the vertical stack.

    Args:
        kernel_size: odd n, or ``(height, width)``: n x n in the vertical, 1 x n in the
            horizontal stack.
        n_channels, n_classes, dropout, condition_features: as in ``Block``. Class biases and
            projections of the condition are inside the gates of both stacks.

    Input and output: a pair of stacks, vertical and horizontal, ``[batch, height, width,
    features]`` each. Only the horizontal stack has channel groups and a residual connection.

    Raises:
        ValueError: as ``Block``; an even kernel.

    Source: arXiv 1606.05328, figure 2 and equations 2, 4 and 5. Departure: the vertical stack is
    fed into the horizontal one after its class biases and the condition are added.

    Example:
        >>> stacks = [np.zeros([1, 8, 8, 6], "float32")] * 2
        >>> vertical, horizontal = pixelcnn_tf.GatedBlock(kernel_size=3)(stacks)
        >>> horizontal.shape
        TensorShape([1, 8, 8, 6])
    """

    def __init__(self, kernel_size: int | tuple[int, int] = 3, n_channels: int = 3, **kwargs):
        super().__init__(n_channels, **kwargs)
        self.kernel_size = kernel_shape(kernel_size)

    def input_layer(self, filters, kernel_size, **options):
        return TwoStackInput(filters, kernel_size, self.n_channels, **options)

    def build(self, inputs_shape, labels_shape=None):
        shape = inputs_shape[0] if isinstance(inputs_shape[0], list | tuple) else inputs_shape
        n = shape[-1]
        self.check_features(n)
        height, width = self.kernel_size
        above = (height // 2 + 1, width)  # the rows of the kernel that its centre may see
        self.vertical = self.make(ShiftedConv2D, "vertical", n, 2 * n, above, "down")
        self.vertical_bias = self.make_class_bias("vertical_class", 2 * n, 1)
        self.vertical_condition = self.make_condition_bias("vertical_condition", 2 * n, 1)
        self.join = self.make(VerticalToHorizontal, "join", 2 * n, 2 * n, self.n_channels)
        self.horizontal = self.make_conv("horizontal", n, 2 * n, (1, width))
        c = self.n_channels
        self.horizontal_bias = self.make_class_bias("horizontal_class", 2 * n, c)
        self.horizontal_condition = self.make_condition_bias("horizontal_condition", 2 * n, c)
        self.out = self.make_conv("output", n, n)

    def call(self, inputs, labels=None, training=False, condition=None):
        above, left = inputs
        above = add_bias(self.vertical_bias, self.vertical(above), labels)
        above = add_bias(self.vertical_condition, above, condition)
        x = self.horizontal(left) + self.join(above)
        x = add_bias(self.horizontal_bias, x, labels)
        x = gate(add_bias(self.horizontal_condition, x, condition), self.n_channels)
        return gate(above, 1), left + self.out(self.drop(x, training))

    def lookahead_layers(self) -> list[IncrementalLayer]:
        return layers_of([self.vertical, self.vertical_condition, self.join])

    def advance(self, above, pixels):
        """Evaluates the vertical stack, ahead of the active pixels: ``[lanes, features]``."""
        above = step_bias(self.vertical_bias, self.vertical.advance(above, pixels), pixels)
        above = step_bias(self.vertical_condition, above, pixels)
        self.join.advance(above, pixels)
        return gate(above, 1)

    def step(self, left, pixels):
        """Evaluates one channel group of the horizontal stack."""
        x = self.horizontal.step(left, pixels) + self.join.step(None, pixels)
        x = step_bias(self.horizontal_bias, x, pixels)
        x = gate(step_bias(self.horizontal_condition, x, pixels), 1)
        return left + self.out.step(x, pixels)

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}
