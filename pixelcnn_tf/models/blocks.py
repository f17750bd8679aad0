"""What ``PixelRNN`` stacks. A block keeps the shape and the order of its input."""

import keras

from pixelcnn_tf.layers.gated import TwoStackInput, VerticalToHorizontal
from pixelcnn_tf.layers.lstm import DiagonalLSTMState, RightDiagonalLSTMState, RowLSTMState
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.masks import kernel_shape
from pixelcnn_tf.layers.pointwise import ClassBias, PReLU, gate
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.utils.errors import suggestion
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import dropout_rate

VARIANTS = ("relu", "preactivation")


class Block(keras.layers.Layer):
    """What all blocks share.

    Args:
        n_channels: channels per pixel.
        n_classes: for a class-conditional model: labels are 0 to ``n_classes - 1``, and
            ``call`` wants them; each class has a bias of its own in the block.
        dropout: the share of features that is left out in training, before the last
            convolution.

    Input and output: ``[batch, height, width, features]``, features a multiple of
    ``features_per_channel * n_channels``; integer labels ``[batch]`` if ``n_classes`` is given.

    Raises:
        ValueError: features that do not divide, ``dropout`` not in [0, 1).
    """

    #: Features divide by this times ``n_channels``.
    features_per_channel = 1

    def __init__(
        self,
        n_channels: int = 3,
        n_classes: int | None = None,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.n_channels = n_channels
        self.n_classes = n_classes
        self.dropout = dropout_rate(dropout)
        self._drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy) if dropout else None

    def input_layer(self, filters: int, kernel_size: int, **options):
        """What takes in the image before the first block."""
        return MaskedConv2D(filters, kernel_size, "A", self.n_channels, **options)

    def check_features(self, features: int) -> None:
        """Raises ValueError unless ``features`` divide as the block needs."""
        unit = self.features_per_channel * self.n_channels
        if features % unit:
            by = f"{self.features_per_channel} * " if self.features_per_channel > 1 else ""
            raise ValueError(
                f"{self.name}: {features} input features; must be a multiple of "
                f"{by}n_channels = {unit}"
            )

    def make(self, layer_class, name: str, features: int, *args, **options):
        """A layer of the block, built for ``features`` input features."""
        layer = layer_class(*args, name=name, dtype=self.dtype_policy, **options)
        layer.build((None, None, None, features))
        return layer

    def make_conv(self, name: str, features: int, filters: int, kernel_size=1) -> MaskedConv2D:
        """A masked convolution of type B."""
        return self.make(MaskedConv2D, name, features, filters, kernel_size, "B", self.n_channels)

    def make_class_bias(self, name: str, features: int, n_channels: int) -> ClassBias | None:
        """A bias for each class, None without classes."""
        if self.n_classes is None:
            return None
        return self.make(ClassBias, name, features, self.n_classes, n_channels)

    def drop(self, x, training):
        """``x`` of any shape with dropout, in training."""
        return x if self._drop is None else self._drop(x, training=training)

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "n_channels": self.n_channels,
            "n_classes": self.n_classes,
            "dropout": self.dropout,
        }


def _with_bias(bias: ClassBias | None, x, labels):
    return x if bias is None else bias(x, labels)


def _step_bias(bias: ClassBias | None, x, pixels):
    return x if bias is None else bias.step(x, pixels)


@keras.saving.register_keras_serializable(package=PACKAGE)
class PixelCNNResBlock(Block):
    """The residual block of PixelCNN: 1x1 down to half the features, k x k, 1x1 back up,
    added to the input; every convolution masked type B.

    Args:
        kernel_size: of the middle convolution; odd side or odd ``(height, width)``.
        n_channels, n_classes, dropout: as in ``Block``.
        variant: ``'relu'`` puts a ReLU after each convolution; ``'preactivation'`` puts a
            PReLU before each (He et al. 2016, arXiv 1603.05027, figure 4e), which leaves
            the residual sum free to shrink as well as grow.

    Raises:
        ValueError: as ``Block``; an unknown variant, an even kernel.

    Source: arXiv 1601.06759, figure 5 (left) and section 3.3.
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
        # Assigned when complete: TensorFlow does not see what is appended to a list later.
        self.convs = [self.make_conv(name, *width) for name, width in widths.items()]
        self.activations = [
            make(keras.layers.ReLU, f"relu_{name}", n_out)
            if self.variant == "relu"
            else make(PReLU, f"prelu_{name}", n_in, self.n_channels)
            for name, (n_in, n_out, _) in widths.items()
        ]
        self.bias = self.make_class_bias("class", half, self.n_channels)

    def call(self, inputs, labels=None, training=False):
        x = inputs
        for conv, activation in zip(self.convs, self.activations, strict=True):
            if conv is self.convs[-1]:
                x = self.drop(x, training)
            x = conv(x if self.variant == "relu" else activation(x))
            if conv is self.convs[0]:
                x = _with_bias(self.bias, x, labels)
            x = activation(x) if self.variant == "relu" else x
        return inputs + x

    def step(self, inputs, pixels):
        x = inputs
        for conv, activation in zip(self.convs, self.activations, strict=True):
            if self.variant == "preactivation":
                x = activation.step(x, pixels)
            x = conv.step(x, pixels)
            if conv is self.convs[0]:
                x = _step_bias(self.bias, x, pixels)
            if self.variant == "relu":
                x = activation(x)
        return inputs + x

    def get_config(self):
        config = {"kernel_size": self.kernel_size, "variant": self.variant}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package=PACKAGE)
class GatedBlock(Block):
    """A layer of the Gated PixelCNN: a vertical stack that sees all rows above, a horizontal
    one that sees its own row to the left and, through a 1x1 convolution, the vertical one.

    Args:
        kernel_size: odd n, or ``(height, width)``: n x n in the vertical, 1 x n in the
            horizontal stack.
        n_channels, n_classes, dropout: as in ``Block``. Class biases are within the gates.

    Input and output: a pair of stacks, vertical and horizontal, ``[batch, height, width,
    features]`` each. Only the horizontal one has channel groups, and a residual connection.

    Raises:
        ValueError: as ``Block``; an even kernel.

    Source: arXiv 1606.05328, figure 2 and equations 2 and 4. Unlike there, the class biases
    are added before the vertical stack feeds the horizontal one, too.
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
        self.join = self.make(VerticalToHorizontal, "join", 2 * n, 2 * n, self.n_channels)
        self.horizontal = self.make_conv("horizontal", n, 2 * n, (1, width))
        self.horizontal_bias = self.make_class_bias("horizontal_class", 2 * n, self.n_channels)
        self.out = self.make_conv("output", n, n)

    def call(self, inputs, labels=None, training=False):
        above, left = inputs
        above = _with_bias(self.vertical_bias, self.vertical(above), labels)
        x = self.horizontal(left) + self.join(above)
        x = gate(_with_bias(self.horizontal_bias, x, labels), self.n_channels)
        return gate(above, 1), left + self.out(self.drop(x, training))

    def lookahead_layers(self):
        return [self.vertical, self.join]

    def advance(self, above, pixels):
        """The vertical stack, ahead of the pixels at hand: ``[lanes, features]`` to the same."""
        above = _step_bias(self.vertical_bias, self.vertical.advance(above, pixels), pixels)
        self.join.advance(above, pixels)
        return gate(above, 1)

    def step(self, left, pixels):
        """The horizontal stack: one channel group, ``[lanes, features / n_channels]``."""
        x = self.horizontal.step(left, pixels) + self.join.step(None, pixels)
        x = gate(_step_bias(self.horizontal_bias, x, pixels), 1)
        return left + self.out.step(x, pixels)

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


class _LSTMBlock(Block):
    """An LSTM of half the features, 1x1 back up, added to the input (figure 5, right).

    A block of this kind says how ``build_states(features, gates)`` makes its layers for that many
    features of input and gates, and how ``states(x, labels)`` gets hidden states ``[batch, height,
    width, features / 2]`` from its input; incrementally, ``step_states(x, pixels)``,
    ``[lanes, features / 2 / n_channels]``.
    """

    features_per_channel = 2

    def build(self, inputs_shape, labels_shape=None):
        features = inputs_shape[-1]
        self.check_features(features)
        self.build_states(features, 2 * features)
        self.up = self.make_conv("up", features // 2, features)

    def make_state(self, state_class, name: str, gates: int, *args):
        """A recurrent layer for that many features of gates."""
        return self.make(state_class, name, gates, *args, n_channels=self.n_channels)

    def call(self, inputs, labels=None, training=False):
        return inputs + self.up(self.drop(self.states(inputs, labels), training))

    def step(self, inputs, pixels):
        return inputs + self.up.step(self.step_states(inputs, pixels), pixels)


@keras.saving.register_keras_serializable(package=PACKAGE)
class RowLSTMBlock(_LSTMBlock):
    """Row LSTM: a masked 1 x k convolution makes the gates, and each state sees the k states
    around it in the row above, so that its context is a triangle above the pixel.

    Args:
        kernel_size: ``(1, k)``, k odd.
        n_channels, n_classes, dropout: as in ``Block``. Class biases are within the gates.

    Raises:
        ValueError: as ``Block``; a kernel of several rows, or an even one.

    Source: arXiv 1601.06759, section 3.1 and figure 5 (right).
    """

    def __init__(self, kernel_size: tuple[int, int] = (1, 3), n_channels: int = 3, **kwargs):
        super().__init__(n_channels, **kwargs)
        self.kernel_size = kernel_shape(kernel_size)
        if self.kernel_size[0] != 1:
            raise ValueError(
                f"kernel_size={kernel_size!r}: a Row LSTM's kernel has one row: (1, 3), say"
            )

    def build_states(self, features, gates):
        self.gates = self.make_conv("gates", features, gates, self.kernel_size)
        self.bias = self.make_class_bias("class", gates, self.n_channels)
        self.state = self.make_state(RowLSTMState, "state", gates, self.kernel_size[1])

    def states(self, x, labels):
        return self.state(_with_bias(self.bias, self.gates(x), labels))

    def step_states(self, x, pixels):
        x = _step_bias(self.bias, self.gates.step(x, pixels), pixels)
        return self.state.step(x, pixels)

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package=PACKAGE)
class DiagonalBiLSTMBlock(_LSTMBlock):
    """Diagonal BiLSTM: two LSTMs that walk the map's diagonals from its upper corners, so that
    the context is all that is above and to the left.

    Args:
        n_channels, n_classes, dropout: as in ``Block``. Class biases are within the gates.

    Source: arXiv 1601.06759, section 3.2 and figure 5 (right).
    """

    def build_states(self, features, gates):
        n = self.n_channels
        self.left_gates = self.make_conv("left_gates", features, gates)
        self.left_bias = self.make_class_bias("left_class", gates, n)
        self.left = self.make_state(DiagonalLSTMState, "left", gates)
        self.right_gates = self.make_conv("right_gates", features, gates)
        self.right_bias = self.make_class_bias("right_class", gates, n)
        self.right = self.make_state(RightDiagonalLSTMState, "right", gates)

    def states(self, x, labels):
        left = self.left(_with_bias(self.left_bias, self.left_gates(x), labels))
        return left + self.right(_with_bias(self.right_bias, self.right_gates(x), labels))

    def step_states(self, x, pixels):
        left = _step_bias(self.left_bias, self.left_gates.step(x, pixels), pixels)
        right = _step_bias(self.right_bias, self.right_gates.step(x, pixels), pixels)
        return self.left.step(left, pixels) + self.right.step(right, pixels)
