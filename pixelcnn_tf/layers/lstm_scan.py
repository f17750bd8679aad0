"""LSTMs over the lines (rows or diagonals) of a map, one line after another, with their gradient.

Lines are short and many, so the overhead per line decides the speed. XLA compiles the loop and that
of the gradient, and features come before positions: all gates are then contiguous parts of one
array, and one ``tanh`` serves them all.
"""

import tensorflow as tf


def lstm_lines(lines: tf.Tensor, kernel: tf.Tensor, shifts: tuple[int, ...]) -> tf.Tensor:
    """Returns the hidden states of lines of positions, each line from the previous line.

    The gates of a position are its part of ``lines`` plus ``kernel`` times the hidden states of its
    neighbours in the previous line, which are zero outside of the line (arXiv 1601.06759, equation
    3, where the gates are named o, f, i, g in this order, too).

    Args:
        lines: ``[lines, 4 * units, length, batch]``, all o, then f, i and g.
        kernel: ``[len(shifts) * units, 4 * units]``.
        shifts: the neighbours of a position: 0 is the same position, -1 the one before it.

    Returns:
        ``[lines, units, length, batch]``.

    Example:
        >>> from pixelcnn_tf.layers.lstm_scan import lstm_lines
        >>> lstm_lines(tf.zeros([3, 8, 5, 2]), tf.zeros([4, 8]), shifts=(0, -1)).shape
        TensorShape([3, 2, 5, 2])
    """
    # A graph even in eager mode: a gradient tape cannot look into functions that XLA compiles. Not
    # within other graphs, though: one that was traced for XLA does not run without it.
    lstm = _as_graph if tf.executing_eagerly() else _lstm_lines
    return lstm(lines, kernel, shifts)


def _lstm_lines(lines, kernel, shifts):
    n_lines = tf.shape(lines)[0]

    @tf.custom_gradient
    def scan(kernel, lines):
        hidden, cells, activations = _forward(kernel, lines, shifts)

        def gradient(upstream):
            d_lines = _backward(kernel, cells, activations, upstream, shifts)
            positions, batch = _positions(lines)
            before = tf.reshape(
                tf.pad(hidden[:-1], [[1, 0]] + [[0, 0]] * 3), [n_lines, -1, positions]
            )
            seen = _neighbours(before, shifts, batch)
            d_kernel = tf.reduce_sum(tf.matmul(seen, d_lines, transpose_b=True), axis=0)
            return d_kernel, tf.reshape(d_lines, tf.shape(lines))

        return hidden, gradient

    return scan(kernel, lines)


_as_graph = tf.function(_lstm_lines, autograph=False)


@tf.function(jit_compile=True, autograph=False)
def _forward(kernel, lines, shifts):
    """Hidden states ``[lines, units, length, batch]``, cells ``[lines, units, length * batch]``,
    and the gates after their nonlinearities ``[lines, 4 * units, length * batch]``."""
    positions, batch = _positions(lines)
    units, kernel = kernel.shape[1] // 4, tf.transpose(kernel)
    # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2
    scale = tf.repeat(tf.constant([0.5, 1.0], lines.dtype), [3 * units, units])[:, None]
    zeros = tf.zeros([units, positions], lines.dtype)
    lines = tf.reshape(lines, [-1, 4 * units, positions])
    n_lines = tf.shape(lines)[0]

    def step(line, hidden, cell, *outputs):
        x = lines[line] + kernel @ _neighbours(hidden, shifts, batch)
        activations = tf.tanh(x * scale) * scale + (1 - scale)
        o, f, i, g = tf.split(activations, 4)
        cell = f * cell + i * g
        hidden = o * tf.tanh(cell)
        made = hidden, cell, activations
        written = [out.write(line, x) for out, x in zip(outputs, made, strict=True)]
        return line + 1, hidden, cell, *written

    outputs = [tf.TensorArray(lines.dtype, n_lines) for _ in range(3)]
    loop = _loop(lambda line, *_: line < n_lines, step, n_lines, 0, zeros, zeros, *outputs)
    hidden, cells, activations = [out.stack() for out in loop[3:]]
    return tf.reshape(hidden, [n_lines, units, -1, batch]), cells, activations


@tf.function(jit_compile=True, autograph=False)
def _backward(kernel, cells, activations, upstream, shifts):
    """The gradient to the lines ``[lines, 4 * units, length * batch]``."""
    positions, batch = _positions(upstream)
    upstream = tf.reshape(upstream, [-1, upstream.shape[1], positions])
    n_lines = tf.shape(upstream)[0]
    zeros = tf.zeros_like(upstream[0])
    cells_before = tf.concat([zeros[None], cells[:-1]], axis=0)

    def step(line, d_hidden, d_cell, d_lines):
        o, f, i, g = tf.split(activations[line], 4)
        squashed = tf.tanh(cells[line])
        d_hidden += upstream[line]
        d_cell += d_hidden * o * (1 - squashed**2)
        d_gates = [
            d_hidden * squashed * o * (1 - o),
            d_cell * cells_before[line] * f * (1 - f),
            d_cell * g * i * (1 - i),
            d_cell * i * (1 - g**2),
        ]
        d_line = tf.concat(d_gates, axis=0)
        parts = tf.split(kernel @ d_line, len(shifts))
        d_hidden = tf.add_n(
            [_shifted(part, -by, batch) for part, by in zip(parts, shifts, strict=True)]
        )
        return line - 1, d_hidden, d_cell * f, d_lines.write(line, d_line)

    d_lines = tf.TensorArray(upstream.dtype, n_lines)
    loop = _loop(lambda line, *_: line >= 0, step, n_lines, n_lines - 1, zeros, zeros, d_lines)
    return loop[-1].stack()


def _loop(condition, step, n_lines, *start):
    return tf.while_loop(condition, step, start, maximum_iterations=n_lines)


def _positions(lines):
    """The number of positions of a line, in all images; the number of images."""
    shape = tf.shape(lines)
    return shape[2] * shape[3], shape[3]


def _neighbours(hidden, shifts, batch):
    return tf.concat([_shifted(hidden, by, batch) for by in shifts], axis=-2)


def _shifted(x, by: int, batch):
    """``x`` ``[..., length * batch]``, each position with the value ``by`` positions to its right,
    or zero."""
    positions, none = tf.shape(x)[-1], [[0, 0]] * (x.shape.rank - 1)
    size = tf.minimum(abs(by) * batch, positions)
    if by > 0:
        return tf.pad(x[..., size:], [*none, [0, size]])
    return x if by == 0 else tf.pad(x[..., : positions - size], [*none, [size, 0]])
