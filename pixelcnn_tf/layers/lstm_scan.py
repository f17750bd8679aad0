"""LSTMs over the lines of a map, one line after another, with their gradient.

A line is short and there are many, so what a line costs beside its product decides the speed.
Here the loop, and that of the gradient, is compiled by XLA, and features come before places: all
gates then are contiguous parts of one array, and one ``tanh`` serves them all.
"""

import tensorflow as tf


# A graph also where the caller is not in one: a tape cannot look into what XLA compiles.
@tf.function(autograph=False)
def lstm_lines(lines, kernel, shifts: tuple[int, ...]):
    """Hidden states of lines of places, each line from the one before it.

    A place's gates are its part of ``lines`` plus ``kernel`` times the hidden states of its
    neighbours in the line before, which are zero outside of the line (arXiv 1601.06759, equation
    3, where the gates are named o, f, i, g in this order, too).

    Args:
        lines: ``[lines, 4 * units, length, batch]``, all o, then f, i and g.
        kernel: ``[len(shifts) * units, 4 * units]``.
        shifts: where the neighbours of a place are: 0 is the same place, -1 the one before.

    Returns:
        ``[lines, units, length, batch]``.
    """
    n_lines = tf.shape(lines)[0]

    @tf.custom_gradient
    def scan(kernel, lines):
        hidden, cells, activations = _forward(kernel, lines, shifts)

        def gradient(upstream):
            d_lines = _backward(kernel, cells, activations, upstream, shifts)
            places, batch = _places(lines)
            before = tf.reshape(tf.pad(hidden[:-1], [[1, 0]] + [[0, 0]] * 3), [n_lines, -1, places])
            seen = _neighbours(before, shifts, batch)
            d_kernel = tf.reduce_sum(tf.matmul(seen, d_lines, transpose_b=True), axis=0)
            return d_kernel, tf.reshape(d_lines, tf.shape(lines))

        return hidden, gradient

    return scan(kernel, lines)


@tf.function(jit_compile=True, autograph=False)
def _forward(kernel, lines, shifts):
    """Hidden states ``[lines, units, length, batch]``, cells ``[lines, units, length * batch]``,
    and the gates after their nonlinearities ``[lines, 4 * units, length * batch]``."""
    places, batch = _places(lines)
    units, kernel = kernel.shape[1] // 4, tf.transpose(kernel)
    # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2
    scale = tf.repeat(tf.constant([0.5, 1.0], lines.dtype), [3 * units, units])[:, None]
    zeros = tf.zeros([units, places], lines.dtype)
    lines = tf.reshape(lines, [-1, 4 * units, places])
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
    places, batch = _places(upstream)
    upstream = tf.reshape(upstream, [-1, upstream.shape[1], places])
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


def _places(lines):
    """How many places a line has, of all images; how many images."""
    shape = tf.shape(lines)
    return shape[2] * shape[3], shape[3]


def _neighbours(hidden, shifts, batch):
    return tf.concat([_shifted(hidden, by, batch) for by in shifts], axis=-2)


def _shifted(x, by: int, batch):
    """``[..., length * batch]``: what is ``by`` places to the right of each, or zero."""
    places, none = tf.shape(x)[-1], [[0, 0]] * (x.shape.rank - 1)
    size = tf.minimum(abs(by) * batch, places)
    if by > 0:
        return tf.pad(x[..., size:], [*none, [0, size]])
    return x if by == 0 else tf.pad(x[..., : places - size], [*none, [size, 0]])
