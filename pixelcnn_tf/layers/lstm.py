"""Recurrent layers of PixelRNN: the states of Row LSTM and Diagonal BiLSTM.

Both take the input-to-state part of the gates for the whole map, made by a masked convolution
beforehand, and add the state-to-state part on the way (arXiv 1601.06759, equation 3)::

    [o, f, i, g] = [sigmoid, sigmoid, sigmoid, tanh](state-to-state(h) + input-to-state)
    c = f * c_before + i * g
    h = o * tanh(c)

Feature maps come in channel groups, gates as o, f, i, g within each group. States belong to
pixels all of whose colours are known, so the state-to-state kernels are whole.
"""

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer, where
from pixelcnn_tf.layers.lstm_scan import lstm_lines
from pixelcnn_tf.layers.masks import kernel_shape
from pixelcnn_tf.utils.serialization import PACKAGE


def lstm_cell(gates, cell):
    """One step of an LSTM.

    Args:
        gates: ``[..., 4 * units]`` before their nonlinearities: all o, then f, i and g.
        cell: ``[..., units]``.

    Returns:
        hidden state and cell, ``[..., units]`` each.
    """
    units = cell.shape[-1]
    ofi, g = tf.split(gates, [3 * units, units], axis=-1)
    o, f, i = tf.split(tf.sigmoid(ofi), 3, axis=-1)
    cell = f * cell + i * tf.tanh(g)
    return o * tf.tanh(cell), cell


def gates_together(x, n_channels: int):
    """``x`` ``[..., 4 * units]``, which has o, f, i, g in each channel group, in the order of
    ``lstm_cell``: once before a loop, rather than at every step."""
    parts = tf.split(x, 4 * n_channels, axis=-1)
    return tf.concat([part for gate in range(4) for part in parts[gate::4]], axis=-1)


class LSTMState(IncrementalLayer, keras.layers.Layer):
    """What both recurrent layers share: a loop over lines of the map, each line from the last.

    Input: gates ``[batch, height, width, 4 * units]``.
    Output: hidden states ``[batch, height, width, units]``.

    Source: arXiv 1601.06759, equation 3.
    """

    #: Where in the line before a state's neighbours are, as in ``lstm_lines``.
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
                f"{4 * self.n_channels}: four gates a unit and colour"
            )
        self.units = gates // 4
        # The neighbours' states beside each other are what one product takes.
        shape = (len(self.shifts) * self.units, gates)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")

    def _scan(self, lines):
        """Hidden states of lines of pixels, one line after another.

        Args:
            lines: gates ``[batch, length, lines, 4 * units]``.

        Returns:
            ``[batch, length, lines, units]``.
        """
        batch, length, n_lines, _ = tf.unstack(tf.shape(lines))
        share = self.units // self.n_channels
        # To features before places, and to gates before colours.
        lines = tf.reshape(lines, [batch, length, n_lines, self.n_channels, 4, share])
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

    def step(self, x, pixels):
        """One channel group: gates in, hidden state out."""
        slot = pixels[self]
        before, cell = slot.sums
        share = self.units // self.n_channels
        at = pixels.channel
        hidden, cell = lstm_cell(
            x + before[:, 4 * share * at : 4 * share * (at + 1)],
            cell[:, share * at : share * (at + 1)],
        )
        slot.groups.append((hidden, cell))
        return hidden

    def end_pixel(self, slot, pixels):
        states = [tf.concat(groups, axis=-1) for groups in zip(*slot.groups, strict=True)]
        return pixels.write(slot.state, tf.concat(states, axis=-1))


@keras.saving.register_keras_serializable(package=PACKAGE)
class RowLSTMState(_StepByStep):
    """States from row to row: each from the k states around it in the row above.

    Args:
        width: k, odd, of the 1 x k state-to-state convolution.
        n_channels: channels per pixel.

    Raises:
        ValueError: an even or negative width, features that do not divide.

    Source: arXiv 1601.06759, section 3.1.
    """

    def __init__(self, width: int = 3, n_channels: int = 3, **kwargs):
        super().__init__(n_channels, **kwargs)
        self.width = kernel_shape(width)[1]
        side = self.width // 2
        self.shifts = tuple(range(-side, side + 1))

    def call(self, gates):
        return tf.transpose(self._scan(tf.transpose(gates, [0, 2, 1, 3])), [0, 2, 1, 3])

    def reach(self, width):
        return self.width // 2

    def init_state(self, schedule):
        """Hidden states and cells of the row above."""
        return schedule.ring_buffer(1, self.width // 2, 2 * self.units, self.compute_dtype)

    def start_pixel(self, weights, state, pixels):
        side = self.width // 2
        above = [pixels.read(state, 1, right) for right in range(-side, side + 1)]
        hidden = tf.concat([seen[:, : self.units] for seen in above], axis=-1)
        return hidden @ weights, above[side][:, self.units :]

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package=PACKAGE)
class DiagonalLSTMState(_StepByStep):
    """States from diagonal to diagonal: each from those to the left and above.

    The map is skewed, every row one place to the right of the one above, so that what a state
    depends on is in the column before it; columns are computed one after another.

    Args:
        n_channels: channels per pixel.

    Source: arXiv 1601.06759, section 3.2 and figure 3.
    """

    shifts = (0, -1)  # left, above: the rows of the kernel

    def call(self, gates):
        return unskew(self._scan(skew(gates)), tf.shape(gates)[2])

    def init_state(self, schedule):
        return schedule.ring_buffer(1, 1, 2 * self.units, self.compute_dtype)

    def start_pixel(self, weights, state, pixels):
        left, above = pixels.read(state, 0, -1), pixels.read(state, 1, 0)
        hidden = tf.concat([left[:, : self.units], above[:, : self.units]], axis=-1)
        return hidden @ weights, left[:, self.units :]


@keras.saving.register_keras_serializable(package=PACKAGE)
class RightDiagonalLSTMState(DiagonalLSTMState):
    """``DiagonalLSTMState`` from right to left, shifted one row down so that no pixel sees one to
    its right: what comes out at a pixel is the state of the one above it, zero in the first row.

    Source: arXiv 1601.06759, section 3.2, last paragraph.
    """

    def call(self, gates):
        states = tf.reverse(super().call(tf.reverse(gates, [2])), [2])
        return tf.pad(first(states, 1, tf.shape(states)[1] - 1), [[0, 0], [1, 0], [0, 0], [0, 0]])

    def reach(self, width):
        return width - 1  # the row above must be complete

    def incremental_weights(self):
        return gates_together(super().incremental_weights(), self.n_channels)

    def init_state(self, schedule):
        """Gates of the row at hand by column, ``[width + 1, batch, 4 * units]`` (the last takes
        what is outside of the image), and hidden states of the row above, ``[width, batch,
        units]``."""
        gates = [schedule.width + 1, schedule.lanes, 4 * self.units]
        hidden = [schedule.width, schedule.lanes, self.units]
        return tf.zeros(gates, self.compute_dtype), tf.zeros(hidden, self.compute_dtype)

    def start_pixel(self, weights, state, pixels):
        """At the start of a row, the states of the whole row above, from right to left."""
        gates, above = state
        new_row = (pixels.column[0] == 0) & (pixels.row[0] > 0)
        [hidden] = where(new_row, lambda above: [self._row(weights, gates, above)], above)
        return hidden, tf.gather(hidden, tf.minimum(pixels.column[0], pixels.schedule.width - 1))

    def _row(self, kernel, gates, above):
        """Hidden states of a row ``[width, batch, units]`` from its gates ``[width + 1, batch, 4 *
        units]`` and the row above it."""
        gates = gates_together(gates, self.n_channels)
        from_above = above @ kernel[self.units :]
        zeros = tf.zeros_like(above[0])

        def step(column, hidden, cell, states):
            now = gates[column] + from_above[column] + hidden @ kernel[: self.units]
            hidden, cell = lstm_cell(now, cell)
            states = tf.tensor_scatter_nd_update(states, [[column]], hidden[None])
            return column - 1, hidden, cell, states

        start = (above.shape[0] - 1, zeros, zeros, tf.zeros_like(above))
        return tf.while_loop(lambda column, *_: column >= 0, step, start)[-1]

    def step(self, x, pixels):
        slot = pixels[self]
        slot.groups.append(x)
        return tf.split(slot.sums[1], self.n_channels, axis=-1)[pixels.channel]

    def end_pixel(self, slot, pixels):
        column = tf.minimum(pixels.column[0], pixels.schedule.width)
        gates = tf.concat(slot.groups, axis=-1)
        return tf.tensor_scatter_nd_update(slot.state[0], [[column]], gates[None]), slot.sums[0]


def skew(x):
    """``[batch, height, width, features]`` with row i moved i places to the right, zeros in the
    places that are left: ``[batch, height, width + height - 1, features]``."""
    batch, height, width, features = tf.unstack(tf.shape(x))
    # Rows longer than their places by one: laid end to end and cut anew, each begins one later.
    longer = tf.reshape(tf.pad(x, [[0, 0], [0, 0], [0, height], [0, 0]]), [batch, -1, features])
    cut = first(longer, 1, height * (width + height - 1))
    skewed = tf.reshape(cut, [batch, height, width + height - 1, features])
    return tf.ensure_shape(skewed, [x.shape[0], x.shape[1], None, x.shape[3]])


def unskew(x, width):
    """What ``skew`` was given, ``width`` columns."""
    batch, height, _, features = tf.unstack(tf.shape(x))
    longer = tf.pad(tf.reshape(x, [batch, -1, features]), [[0, 0], [0, height], [0, 0]])
    rows = tf.reshape(longer, [batch, height, width + height, features])
    return tf.ensure_shape(first(rows, 2, width), [x.shape[0], x.shape[1], None, x.shape[3]])


def first(x, axis: int, n):
    """The first ``n`` of ``x`` along an axis. The gradient of ``x[:, :n]`` takes 10 times as long
    as that of ``tf.slice``, which is a padding."""
    size = tf.tensor_scatter_nd_update(tf.shape(x), [[axis]], [n])
    return tf.slice(x, tf.zeros_like(size), size)
