"""Recurrent layers of PixelRNN: the states of the Row LSTM and the Diagonal BiLSTM.

Both take the input-to-state part of the gates for the whole map, from a masked convolution, and
add the state-to-state part during the recurrence (arXiv 1601.06759, equation 3)::

    [o, f, i, g] = [sigmoid, sigmoid, sigmoid, tanh](state-to-state(h) + input-to-state)
    c = f * c_before + i * g
    h = o * tanh(c)

Feature maps are split into channel groups, and each group into the gates o, f, i and g. A state is
read by later pixels only, so the state-to-state kernels need no mask.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer, RowLayer
from pixelcnn_tf.layers.lstm_scan import lstm_lines
from pixelcnn_tf.layers.masks import kernel_shape
from pixelcnn_tf.layers.schedule import ActivePixels, LayerState, Schedule
from pixelcnn_tf.layers.skewing import first, skew, unskew
from pixelcnn_tf.layers.wavefront import where
from pixelcnn_tf.utils.serialization import PACKAGE


class LSTMOutput(NamedTuple):
    """Hidden state and cell, ``[..., units]`` each.

    Example:
        >>> lstm_cell(tf.zeros([2, 12]), tf.ones([2, 3])).hidden.shape
        TensorShape([2, 3])
    """

    hidden: tf.Tensor
    cell: tf.Tensor


class _EarlierPixels(NamedTuple):
    """The contribution of earlier pixels to a state.

    Attributes:
        gates: the state-to-state part of the gates, ``[lanes, 4 * units]``.
        cell: the earlier cell, ``[lanes, units]``.
    """

    gates: tf.Tensor
    cell: tf.Tensor


def lstm_cell(gates: tf.Tensor, cell: tf.Tensor) -> LSTMOutput:
    """Returns one step of an LSTM.

    Args:
        gates: ``[..., 4 * units]`` before their nonlinearities: all o, then f, i and g.
        cell: ``[..., units]``.

    Example:
        >>> from pixelcnn_tf.layers.lstm import lstm_cell
        >>> lstm_cell(tf.zeros([2, 12]), tf.ones([2, 3])).cell.numpy().tolist()
        [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    """
    units = cell.shape[-1]
    ofi, g = tf.split(gates, [3 * units, units], axis=-1)
    o, f, i = tf.split(tf.sigmoid(ofi), 3, axis=-1)
    cell = f * cell + i * tf.tanh(g)
    return LSTMOutput(o * tf.tanh(cell), cell)


def gates_together(x: tf.Tensor, n_channels: int) -> tf.Tensor:
    """Returns ``x`` ``[..., 4 * units]``, which has o, f, i, g in each channel group, in the order
    of ``lstm_cell``. Done once before a loop, it need not be done at every step.

    Example:
        >>> from pixelcnn_tf.layers.lstm import gates_together
        >>> gates_together(tf.constant([1, 2, 3, 4, 5, 6, 7, 8]), n_channels=2).numpy().tolist()
        [1, 5, 2, 6, 3, 7, 4, 8]
    """
    parts = tf.split(x, 4 * n_channels, axis=-1)
    return tf.concat([part for gate in range(4) for part in parts[gate::4]], axis=-1)


class LSTMState(IncrementalLayer, keras.layers.Layer):
    """The base class of the recurrent layers: a loop over rows or diagonals of the map.

    Input: gates ``[batch, height, width, 4 * units]``, in each channel group o, f, i and g.
    Output: hidden states ``[batch, height, width, units]``.

    Source: arXiv 1601.06759, equation 3.

    Example:
        >>> isinstance(pixelcnn_tf.layers.lstm.RowLSTMState(width=3), LSTMState)
        True
    """

    #: The positions of a state's neighbours in the previous row or diagonal, see ``lstm_lines``.
    shifts: tuple[int, ...]

    def __init__(self, n_channels: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.n_channels = n_channels
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        gates = input_shape[-1]
        if gates is None or gates % (4 * self.n_channels):
            raise ValueError(
                f"{self.name}: {gates} input features; must be a multiple of 4 * n_channels = "
                f"{4 * self.n_channels}: four gates per unit and channel"
            )
        self.units = gates // 4
        # The states of all neighbours are concatenated for one product.
        shape = (len(self.shifts) * self.units, gates)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")

    def _scan(self, lines):
        """Hidden states of rows or diagonals (lines) of pixels, one line after another.

        Args:
            lines: gates ``[batch, length, lines, 4 * units]``.

        Returns:
            ``[batch, length, lines, units]``.
        """
        batch, length, n_lines, _ = tf.unstack(tf.shape(lines))
        per_channel = self.units // self.n_channels
        # To features before positions, and to gates before channels.
        lines = tf.reshape(lines, [batch, length, n_lines, self.n_channels, 4, per_channel])
        lines = tf.transpose(lines, [2, 4, 3, 5, 1, 0])
        lines = tf.reshape(lines, [n_lines, 4 * self.units, length, batch])
        kernel = gates_together(tf.cast(self.kernel, lines.dtype), self.n_channels)
        return tf.transpose(lstm_lines(lines, kernel, self.shifts), [3, 2, 0, 1])

    def incremental_weights(self):
        return tf.cast(self.kernel, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 4)

    def get_config(self):
        return {**super().get_config(), "n_channels": self.n_channels}


class _StepByStep(LSTMState):
    """Incremental evaluation of states that need no pixel to the right in their own row."""

    def _earlier(self, seen: list, weights, nearest: int) -> _EarlierPixels:
        """``seen``: the hidden states and cells of several earlier pixels, from ``read``;
        ``nearest``: which of them gives the cell."""
        hidden, cells = zip(*(tf.split(pixel, 2, axis=-1) for pixel in seen), strict=True)
        return _EarlierPixels(tf.concat(hidden, axis=-1) @ weights, cells[nearest])

    def step(self, x, pixels: ActivePixels):
        """Returns one channel group of the hidden state, from that of the gates."""
        layer_state = pixels[self]
        earlier: _EarlierPixels = layer_state.sums
        gates = tf.split(earlier.gates, self.n_channels, axis=-1)[pixels.channel]
        cell = tf.split(earlier.cell, self.n_channels, axis=-1)[pixels.channel]
        output = lstm_cell(x + gates, cell)
        layer_state.groups.append(output)
        return output.hidden

    def end_pixel(self, layer_state: LayerState, pixels: ActivePixels):
        states = [tf.concat(groups, axis=-1) for groups in zip(*layer_state.groups, strict=True)]
        return layer_state.state._replace(newest=tf.concat(states, axis=-1))


@keras.saving.register_keras_serializable(package=PACKAGE)
class RowLSTMState(_StepByStep):
    """States from row to row: each depends on the k states around it in the row above. Input and
    output are those of ``LSTMState``.

    Args:
        width: k, odd, of the 1 x k state-to-state convolution.
        n_channels: number of channels per pixel.

    Raises:
        ValueError: an even or negative width, features that do not divide.

    Source: arXiv 1601.06759, section 3.1.

    Example:
        >>> from pixelcnn_tf.layers.lstm import RowLSTMState
        >>> RowLSTMState(width=3, n_channels=1)(tf.zeros([1, 5, 6, 8])).shape
        TensorShape([1, 5, 6, 2])
    """

    def __init__(self, width: int = 3, n_channels: int = 3, **kwargs):
        super().__init__(n_channels, **kwargs)
        self.width = kernel_shape(width)[1]
        side = self.width // 2
        self.shifts = tuple(range(-side, side + 1))

    def call(self, gates):
        return tf.transpose(self._scan(tf.transpose(gates, [0, 2, 1, 3])), [0, 2, 1, 3])

    def reach(self, width: int) -> int:
        return self.width // 2

    def init_state(self, schedule: Schedule):
        """The recent hidden states and cells, from the row above on."""
        return schedule.recent(1, self.width // 2, 2 * self.units, self.compute_dtype)

    def start_pixel(self, weights, state, pixels: ActivePixels):
        side = self.width // 2
        above = pixels.read(pixels.update(self), [(1, right) for right in range(-side, side + 1)])
        return self._earlier(above, weights, nearest=side)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package=PACKAGE)
class DiagonalLSTMState(_StepByStep):
    """States from diagonal to diagonal: each depends on those to the left and above. Input and
    output are those of ``LSTMState``.

    The map is skewed, every row one column further to the right than the row above, so that a
    state depends on the previous column only; columns are computed one after another.

    Args:
        n_channels: number of channels per pixel.

    Source: arXiv 1601.06759, section 3.2 and figure 3.

    Example:
        >>> from pixelcnn_tf.layers.lstm import DiagonalLSTMState
        >>> DiagonalLSTMState(n_channels=1)(tf.zeros([1, 5, 6, 8])).shape
        TensorShape([1, 5, 6, 2])
    """

    shifts = (0, -1)  # left, above: the rows of the kernel

    def call(self, gates):
        return unskew(self._scan(skew(gates)), tf.shape(gates)[2])

    def init_state(self, schedule: Schedule):
        """The recent hidden states and cells."""
        return schedule.recent(1, 1, 2 * self.units, self.compute_dtype)

    def start_pixel(self, weights, state, pixels: ActivePixels):
        earlier = pixels.read(pixels.update(self), [(0, -1), (1, 0)])
        return self._earlier(earlier, weights, nearest=0)


class _RightDiagonalState(NamedTuple):
    """The state of ``RightDiagonalLSTMState``.

    Attributes:
        gates: of the active row by column, ``[width + 1, batch, 4 * units]``; the last column
            takes those outside of the image.
        above: hidden states of the row above, ``[width, batch, units]``.
    """

    gates: tf.Tensor
    above: tf.Tensor


class _RightDiagonalSums(NamedTuple):
    """The inputs of ``RightDiagonalLSTMState`` from earlier pixels: hidden states of the row above,
    ``[width, batch, units]``, and of the pixel above, ``[batch, units]``."""

    row: tf.Tensor
    pixel: tf.Tensor


@keras.saving.register_keras_serializable(package=PACKAGE)
class RightDiagonalLSTMState(RowLayer, DiagonalLSTMState):
    """``DiagonalLSTMState`` from right to left, shifted down by one row, so that no pixel sees a
    pixel to its right: the output at a pixel is the state of the pixel above, or zero in the first
    row.

    Source: arXiv 1601.06759, section 3.2, last paragraph.

    Example:
        >>> from pixelcnn_tf.layers.lstm import RightDiagonalLSTMState
        >>> RightDiagonalLSTMState(n_channels=1)(tf.zeros([1, 5, 6, 8])).shape
        TensorShape([1, 5, 6, 2])
    """

    def call(self, gates):
        states = tf.reverse(super().call(tf.reverse(gates, [2])), [2])
        return tf.pad(first(states, 1, tf.shape(states)[1] - 1), [[0, 0], [1, 0], [0, 0], [0, 0]])

    def reach(self, width: int) -> int:
        return width - 1  # the row above must be complete

    def incremental_weights(self):
        return gates_together(super().incremental_weights(), self.n_channels)

    def init_state(self, schedule: Schedule) -> _RightDiagonalState:
        gates = [schedule.width + 1, schedule.lanes, 4 * self.units]
        hidden = [schedule.width, schedule.lanes, self.units]
        return _RightDiagonalState(
            tf.zeros(gates, self.compute_dtype), tf.zeros(hidden, self.compute_dtype)
        )

    def start_pixel(
        self, weights, state: _RightDiagonalState, pixels: ActivePixels
    ) -> _RightDiagonalSums:
        """At the start of a row, the states of the whole row above, from right to left."""
        new_row = (pixels.column[0] == 0) & (pixels.row[0] > 0)
        [row] = where(
            new_row, lambda above: [self.row_from([state.gates, above], weights)], state.above
        )
        column = tf.minimum(pixels.column[0], pixels.schedule.width - 1)
        return _RightDiagonalSums(row, tf.gather(row, column))

    def row_from(self, rows, weights):
        """Returns the hidden states of a row, ``[width, batch, units]``.

        Args:
            rows: gates of the row, ``[width + 1, batch, 4 * units]``, and the hidden states of the
                row above it, ``[width, batch, units]``.
            weights: from ``incremental_weights``.
        """
        gates, above = rows
        gates = gates_together(gates, self.n_channels)
        from_above = above @ weights[self.units :]
        zeros = tf.zeros_like(above[0])

        def step(column, hidden, cell, states):
            now = gates[column] + from_above[column] + hidden @ weights[: self.units]
            hidden, cell = lstm_cell(now, cell)
            states = tf.tensor_scatter_nd_update(states, [[column]], hidden[None])
            return column - 1, hidden, cell, states

        start = (above.shape[0] - 1, zeros, zeros, tf.zeros_like(above))
        return tf.while_loop(lambda column, *_: column >= 0, step, start)[-1]

    def step(self, x, pixels: ActivePixels):
        layer_state = pixels[self]
        layer_state.groups.append(x)
        return tf.split(layer_state.sums.pixel, self.n_channels, axis=-1)[pixels.channel]

    def end_pixel(self, layer_state: LayerState, pixels: ActivePixels) -> _RightDiagonalState:
        column = tf.minimum(pixels.column[0], pixels.schedule.width)
        gates = tf.concat(layer_state.groups, axis=-1)
        gates = tf.tensor_scatter_nd_update(layer_state.state.gates, [[column]], gates[None])
        return _RightDiagonalState(gates, layer_state.sums.row)
