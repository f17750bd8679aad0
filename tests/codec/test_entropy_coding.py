"""The intervals of values, and the stack that they are pushed on."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pixelcnn_tf import Bernoulli, LogisticMixture, Softmax
from pixelcnn_tf.codec.entropy_coding import LOWEST, PRECISION, _interval, _pop, bits_of, push

TOTAL = 1 << PRECISION


def intervals_of_all(likelihood, logits):
    """The left bounds and the widths of the intervals of all values, ``[n_values, n]`` each."""
    n, n_values = len(logits), likelihood.n_values
    given = np.arange(n_values, dtype=np.int32).repeat(n)
    repeated, zeros = tf.tile(logits, [n_values, 1]), tf.zeros(n * n_values, tf.int32)
    found, left, width = _interval(likelihood, repeated, tf.constant(given), zeros, False)
    np.testing.assert_array_equal(found, given)
    return (part.numpy().reshape(n_values, n) for part in (left, width))


@pytest.mark.parametrize(
    "likelihood",
    [Bernoulli(), Softmax(2), Softmax(3), Softmax(37), Softmax(256), LogisticMixture(3)],
    ids=lambda likelihood: f"{likelihood.name}_{likelihood.n_values}",
)
@pytest.mark.parametrize("scale", [0.1, 3.0, 1e3, 1e30])
def test_the_intervals_of_all_values_divide_the_quantiles(likelihood, scale, rng):
    n, n_values = 20, likelihood.n_values
    logits = tf.constant(scale * rng.normal(size=(n, likelihood.n_params)), tf.float32)
    left, width = intervals_of_all(likelihood, logits)
    assert width.min() >= 1
    assert (left[0] == 0).all() and (left[-1] + width[-1] == TOTAL).all()
    assert (left[1:] == left[:-1] + width[:-1]).all()
    # The decoder finds a value from any quantile of its interval, the first and the last included.
    repeated, zeros = tf.tile(logits, [n_values, 1]), tf.zeros(n * n_values, tf.int32)
    for quantiles in (left, left + width - 1):
        quantiles = tf.constant(quantiles.ravel())
        found, *same = _interval(likelihood, repeated, zeros, quantiles, True)
        np.testing.assert_array_equal(found, np.arange(n_values).repeat(n))
        for a, b in zip(same, (left, width), strict=True):
            np.testing.assert_array_equal(a, b.ravel())


@pytest.mark.parametrize("likelihood", [Bernoulli(), Softmax(256), LogisticMixture(10)])
def test_widths_are_the_probabilities(likelihood, rng):
    logits = tf.constant(rng.normal(size=(50, likelihood.n_params)), tf.float32)
    _, width = intervals_of_all(likelihood, logits)
    probabilities = likelihood.probabilities(logits).numpy().T
    np.testing.assert_allclose(width / TOTAL, probabilities, atol=(8 + likelihood.n_values) / TOTAL)


def random_intervals(rng, steps, n_streams, coded=0.7):
    width = np.exp(rng.uniform(0, math.log(TOTAL - 1), [steps, n_streams])).astype(np.int64)
    left = rng.integers(0, TOTAL - width + 1)
    none = rng.random(width.shape) > coded
    return np.stack([np.where(none, 0, left), np.where(none, TOTAL, width)], axis=-1)


@pytest.mark.parametrize("n_streams", [1, 2, 7])
def test_values_are_popped_in_the_order_opposite_to_that_of_pushing(n_streams, rng):
    intervals = random_intervals(rng, 300, n_streams)
    streams, words = push(intervals)
    n_words, states, stack = len(words), tf.constant(streams), tf.constant(np.append(words, 0))
    for left, width in np.moveaxis(intervals, -1, 1):
        quantiles = states.numpy() % TOTAL
        assert ((left <= quantiles) & (quantiles < left + width)).all()
        offset = tf.constant(quantiles.astype(int) - left, tf.int32)
        states, n_words = _pop(states, n_words, stack, offset, tf.constant(width))
    assert int(n_words) == 0 and (states.numpy() == LOWEST).all()
    bits = bits_of(intervals)
    assert bits <= 64 * n_streams + 32 * len(words) <= bits + 70 * n_streams


@pytest.mark.parametrize("n_values", [4, 10, 37])
def test_the_words_are_those_of_constriction(n_values, rng):
    """Bamler's library is an independent reference for one stream."""
    constriction = pytest.importorskip("constriction")
    values = rng.integers(n_values, size=1000).astype(np.int32)
    coder = constriction.stream.stack.AnsCoder(np.array([0, 1], np.uint32))  # the state LOWEST
    coder.encode_reverse(values, constriction.stream.model.Uniform(n_values))
    width = TOTAL // n_values  # the last value has what is left
    widths = np.where(values == n_values - 1, TOTAL - width * (n_values - 1), width)
    streams, words = push(np.stack([values * width, widths], axis=-1)[:, None])
    state = int(streams[0])
    expected = [*words.tolist(), state % (1 << 32), state >> 32]
    assert coder.get_compressed().tolist() == expected
