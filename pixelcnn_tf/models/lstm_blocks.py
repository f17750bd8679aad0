"""The recurrent blocks that ``PixelRNN`` stacks: Row LSTM and Diagonal BiLSTM."""

import abc

import keras

from pixelcnn_tf.layers.condition import add_bias, step_bias
from pixelcnn_tf.layers.lstm import DiagonalLSTMState, RightDiagonalLSTMState, RowLSTMState
from pixelcnn_tf.layers.masks import kernel_shape
from pixelcnn_tf.layers.schedule import ActivePixels
from pixelcnn_tf.models.blocks import Block
from pixelcnn_tf.utils.serialization import PACKAGE


class _LSTMBlock(Block):
    """An LSTM of half the features and a 1x1 convolution back to all features, added to the input
    (arXiv 1601.06759, figure 5, right)."""

    features_per_channel = 2

    def build(self, inputs_shape, labels_shape=None):
        features = inputs_shape[-1]
        self.check_features(features)
        self.build_states(features, 2 * features)
        self.up = self.make_conv("up", features // 2, features)

    @abc.abstractmethod
    def build_states(self, features: int, gates: int) -> None:
        """Makes the layers, for ``features`` input features and ``gates`` features of gates."""

    @abc.abstractmethod
    def states(self, x, labels, condition):
        """Returns the hidden states, ``[batch, height, width, features / 2]``."""

    @abc.abstractmethod
    def step_states(self, x, pixels: ActivePixels):
        """Returns a step of ``states``, ``[lanes, features / 2 / n_channels]``."""

    def make_state(self, state_class, name: str, gates: int, *args):
        """Returns a new recurrent layer for ``gates`` features of gates."""
        return self.make(state_class, name, gates, *args, n_channels=self.n_channels)

    def call(self, inputs, labels=None, training=False, condition=None):
        return inputs + self.up(self.drop(self.states(inputs, labels, condition), training))

    def step(self, inputs, pixels):
        return inputs + self.up.step(self.step_states(inputs, pixels), pixels)


@keras.saving.register_keras_serializable(package=PACKAGE)
class RowLSTMBlock(_LSTMBlock):
    """Row LSTM: a masked 1 x k convolution computes the gates, and each state depends on the k
    states around it in the row above, so that its receptive field is a triangle above the pixel.

    Args:
        kernel_size: ``(1, k)``, k odd.
        n_channels, n_classes, dropout, condition_features: as in ``Block``. Class biases and
            projections of the condition are inside the gates.

    Raises:
        ValueError: as ``Block``; a kernel of several rows, or an even one.

    Source: arXiv 1601.06759, section 3.1 and figure 5 (right).

    Example:
        >>> block = pixelcnn_tf.RowLSTMBlock(kernel_size=(1, 3))
        >>> block(np.zeros([1, 8, 8, 12], "float32")).shape
        TensorShape([1, 8, 8, 12])
    """

    def __init__(self, kernel_size: tuple[int, int] = (1, 3), n_channels: int = 3, **kwargs):
        super().__init__(n_channels, **kwargs)
        self.kernel_size = kernel_shape(kernel_size)
        if self.kernel_size[0] != 1:
            raise ValueError(
                f"kernel_size={kernel_size!r}: the kernel of a Row LSTM has one row; must be "
                "(1, 3), for example"
            )

    def build_states(self, features, gates):
        self.gates = self.make_conv("gates", features, gates, self.kernel_size)
        self.bias = self.make_class_bias("class", gates, self.n_channels)
        self.condition = self.make_condition_bias("condition", gates, self.n_channels)
        self.state = self.make_state(RowLSTMState, "state", gates, self.kernel_size[1])

    def states(self, x, labels, condition):
        x = add_bias(self.bias, self.gates(x), labels)
        return self.state(add_bias(self.condition, x, condition))

    def step_states(self, x, pixels):
        x = step_bias(self.bias, self.gates.step(x, pixels), pixels)
        return self.state.step(step_bias(self.condition, x, pixels), pixels)

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package=PACKAGE)
class DiagonalBiLSTMBlock(_LSTMBlock):
    """Diagonal BiLSTM: two LSTMs that scan the diagonals of the map from its upper corners, so that
    the receptive field is everything above and to the left.

    Args:
        n_channels, n_classes, dropout, condition_features: as in ``Block``. Class biases and
            projections of the condition are inside the gates.

    Source: arXiv 1601.06759, section 3.2 and figure 5 (right).

    Example:
        >>> block = pixelcnn_tf.DiagonalBiLSTMBlock(n_channels=1)
        >>> block(np.zeros([1, 8, 8, 4], "float32")).shape
        TensorShape([1, 8, 8, 4])
    """

    def build_states(self, features, gates):
        n = self.n_channels
        self.left_gates = self.make_conv("left_gates", features, gates)
        self.left_bias = self.make_class_bias("left_class", gates, n)
        self.left_condition = self.make_condition_bias("left_condition", gates, n)
        self.left = self.make_state(DiagonalLSTMState, "left", gates)
        self.right_gates = self.make_conv("right_gates", features, gates)
        self.right_bias = self.make_class_bias("right_class", gates, n)
        self.right_condition = self.make_condition_bias("right_condition", gates, n)
        self.right = self.make_state(RightDiagonalLSTMState, "right", gates)

    def states(self, x, labels, condition):
        left = add_bias(self.left_bias, self.left_gates(x), labels)
        left = self.left(add_bias(self.left_condition, left, condition))
        right = add_bias(self.right_bias, self.right_gates(x), labels)
        return left + self.right(add_bias(self.right_condition, right, condition))

    def step_states(self, x, pixels):
        left = step_bias(self.left_bias, self.left_gates.step(x, pixels), pixels)
        left = self.left.step(step_bias(self.left_condition, left, pixels), pixels)
        right = step_bias(self.right_bias, self.right_gates.step(x, pixels), pixels)
        return left + self.right.step(step_bias(self.right_condition, right, pixels), pixels)
