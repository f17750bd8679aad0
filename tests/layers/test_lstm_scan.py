"""The gradient of the LSTM scan, which is written by hand, against differences of its values."""

import numpy as np
import pytest
import tensorflow as tf

from pixelcnn_tf.layers.lstm_scan import lstm_lines


@pytest.mark.parametrize(
    ("shifts", "length"),
    [
        ((-1, 0, 1), 4),
        ((0, -1), 1),
        pytest.param((0, -1), 4, marks=pytest.mark.slow),
        pytest.param((-2, 1), 3, marks=pytest.mark.slow),
    ],
)
def test_gradient_equals_central_differences(shifts, length, rng):
    """Of a random sum of all hidden states, by every weight and gate, in double precision."""
    units, n_lines, batch, step = 2, 3, 2, 1e-5
    kernel = rng.normal(size=(len(shifts) * units, 4 * units))
    lines = rng.normal(size=(n_lines, 4 * units, length, batch))
    direction = rng.normal(size=(n_lines, units, length, batch))

    def total(kernel, lines):
        return tf.reduce_sum(direction * lstm_lines(lines, kernel, shifts))

    variables = [tf.constant(kernel), tf.constant(lines)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        value = total(*variables)
    for array, gradient in zip((kernel, lines), tape.gradient(value, variables), strict=True):
        assert np.abs(gradient).max() > 0.01
        for place in np.ndindex(array.shape):
            kept, values = array[place], []
            for way in (step, -step):
                array[place] = kept + way
                values.append(float(total(kernel, lines)))
            array[place] = kept
            assert float(gradient[place]) == pytest.approx(
                (values[0] - values[1]) / (2 * step), abs=1e-7
            )


def test_gradients_in_eager_mode_after_xla():
    """What was traced for XLA is not used without it."""

    def gradient(lines, kernel):
        with tf.GradientTape() as tape:
            tape.watch([lines, kernel])
            total = tf.reduce_sum(lstm_lines(lines, kernel, (0, -1)) ** 2)
        return tape.gradient(total, [lines, kernel])

    rng = np.random.default_rng(0)
    lines = tf.constant(rng.normal(size=[3, 8, 5, 2]), tf.float32)
    kernel = tf.constant(rng.normal(size=[4, 8]), tf.float32)
    compiled = tf.function(gradient, jit_compile=True)(lines, kernel)
    for one, two in zip(gradient(lines, kernel), compiled, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
