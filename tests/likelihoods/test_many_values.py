"""Likelihoods of other numbers of values than 256, against NumPy in double precision."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_softmax, softmax

from pixelcnn_tf import LogisticMixture, PixelRNN, Softmax, get_likelihood
from pixelcnn_tf.likelihoods.in_pieces import MOST_LOGITS, log_probs_in_pieces


def random_params(rng, n, k, n_values):
    """float32 ``[n, 3 * k]``: from scales of less than one value to the whole range, and means
    beyond both ends."""
    narrow = -np.log(n_values)
    parts = [rng.normal(size=(n, k)), rng.uniform(-1.2, 1.2, (n, k))]
    parts.append(rng.uniform(narrow - 3, 1, (n, k)))
    return np.concatenate(parts, axis=1).astype("float32")


def reference_cumulative(params, k, n_values):
    """float64 ``[n, n_values]``: the probability of at most each value; docstring of
    ``LogisticMixture``, whose narrowest scale is exp(-7) * 127.5 values."""
    weight_logits, means, log_scales = np.split(params.astype(np.float64), 3, axis=1)
    half = (n_values - 1) / 2
    scales = np.maximum(np.exp(np.minimum(log_scales, 7)) * half, np.exp(-7) * 127.5)
    edges = np.arange(n_values) + 0.5
    # In float32, the means of 65,536 values are known to 1/256 of a value.
    centres = (np.float32(half) * means.astype(np.float32)).astype(np.float64) + half
    total = np.zeros((len(params), n_values))
    for weight, centre, scale in zip(softmax(weight_logits, 1).T, centres.T, scales.T, strict=True):
        total += weight[:, None] * expit((edges - centre[:, None]) / scale[:, None])
    total[:, -1] = 1
    return total


@pytest.mark.parametrize("n_values", [2, 3, 16, 1000, 4096, 65536])
def test_mixtures_equal_double_precision(n_values, rng):
    k, n = 3, 12
    likelihood, params = LogisticMixture(k, n_values=n_values), random_params(rng, n, k, n_values)
    at_most = reference_cumulative(params, k, n_values)
    expected = np.diff(at_most, axis=1, prepend=0)
    found = likelihood.probabilities(params).numpy().astype(np.float64)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    values = rng.integers(n_values, size=n)
    values[:2] = 0, n_values - 1
    likely = expected[np.arange(n), values] > 1e-12
    log_probs = likelihood.log_probs(values, params).numpy()
    wanted = np.log(expected[np.arange(n), values], where=likely, out=np.zeros(n))
    np.testing.assert_allclose(log_probs[likely], wanted[likely], rtol=1e-3, atol=1e-3)
    known = np.minimum(values, n_values - 2)
    found = likelihood.cumulative(params)(tf.constant(known)).numpy()
    np.testing.assert_allclose(found, at_most[np.arange(n), known], atol=2e-6)


@pytest.mark.parametrize("n_values", [3, 1000, 65536])
def test_values_are_drawn_by_bisection_as_the_cumulative_says(n_values, rng):
    k, n = 2, 60
    likelihood = LogisticMixture(k, n_values=n_values)
    params = random_params(rng, 20, k, n_values).repeat(n // 20, axis=0)
    uniforms = rng.random(n).astype("float32")
    uniforms[:3] = 0, 1 - 2.0**-24, 0.5
    drawn = likelihood.draw(params, tf.constant(uniforms)).numpy().astype(int)
    assert drawn.min() >= 0 and drawn.max() < n_values
    at_most = np.pad(reference_cumulative(params, k, n_values), [(0, 0), (1, 0)])
    each = np.arange(n)
    assert (at_most[each, drawn] <= uniforms + 2e-6).all()
    assert (at_most[each, drawn + 1] >= uniforms - 2e-6).all()
    other = likelihood.draw(params, tf.constant(uniforms), temperature=1.0 - 1e-7).numpy()
    assert (np.abs(other - drawn) <= np.maximum(2, 0.01 * n_values)).mean() > 0.95


def test_softmax_of_many_values_equals_double_precision(rng):
    n_values = 65536
    likelihood = get_likelihood("softmax-65536")
    logits = (3 * rng.normal(size=(6, n_values))).astype("float32")
    values = np.array([0, 65535, 255, 256, 40000, 7], np.uint16)
    expected = log_softmax(logits.astype(np.float64), axis=1)
    found = likelihood.log_probs(values, logits).numpy()
    np.testing.assert_allclose(found, expected[np.arange(6), values], rtol=1e-5)
    sums = likelihood.probabilities(logits).numpy().astype(np.float64).sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    uniforms = rng.random(6).astype("float32")
    drawn = likelihood.draw(logits, uniforms).numpy().astype(int)
    at_most = np.pad(np.exp(expected).cumsum(axis=1), [(0, 0), (1, 0)])
    assert (at_most[np.arange(6), drawn] <= uniforms + 2e-6).all()
    assert (at_most[np.arange(6), drawn + 1] >= uniforms - 2e-6).all()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_log_probs_in_pieces_have_the_gradient_of_all_at_once(jit_compile, rng):
    likelihood, n, channels = Softmax(7), 23, 2
    values = rng.integers(7, size=(n, channels)).astype("float32")
    inputs = [rng.normal(size=s).astype("float32") for s in ((n, 3), (3, 14), (14,))]

    @tf.function(autograph=False, jit_compile=jit_compile)
    def both():
        results = []
        for whole in (True, False):
            with tf.GradientTape() as tape:
                x, kernel, bias = given = list(map(tf.constant, inputs))
                tape.watch(given)
                if whole:
                    logits = tf.reshape(x @ kernel + bias, [n, channels, 7])
                    found = likelihood.log_probs(values, logits)
                else:  # five pieces, the last of which is filled up
                    found = log_probs_in_pieces(likelihood, *given, tf.constant(values), 70)
                total = tf.reduce_sum(found * tf.constant(values))
            results.append([found, *tape.gradient(total, given)])
        return results

    for one, other in zip(*both(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def largest_tensor(function, spec, n_steps):
    """The size of the largest tensor in a graph and in its functions: bodies of loops, gradients.
    Lists, to which each step of a loop adds a tensor, count as one. Nothing is evaluated."""
    graph = tf.function(function, autograph=False).get_concrete_function(spec).graph
    definition = graph.as_graph_def(add_shapes=True)
    largest = 0
    for nodes in [definition.node, *(f.node_def for f in definition.library.function)]:
        sizes = {}
        for node in nodes:
            shapes = map(tf.TensorShape, node.attr["_output_shapes"].list.shape)
            sizes[node.name] = max([0, *(shape.num_elements() or 0 for shape in shapes)])
        largest = max([largest, *sizes.values()])
        for node in nodes:
            if node.op in ("TensorListPushBack", "TensorListSetItem"):
                largest = max(largest, n_steps * sizes.get(node.input[-1].split(":")[0], 0))
    return largest


def test_the_logits_of_all_pixels_are_never_there_at_once():
    n_values, shape = 4096, [32, 64, 64, 1]
    model = PixelRNN(4, 4, n_layers=1, n_channels=1, likelihood=f"softmax-{n_values}")
    model.build((None, None, None, 1))

    def loss_and_gradient(nll):
        def both(images):
            with tf.GradientTape() as tape:
                nats = tf.reduce_sum(nll(images))
            return nats, tape.gradient(nats, model.trainable_weights)

        return both

    def all_at_once(images):
        return model.likelihood.nll(images, model(images))

    spec, everything = tf.TensorSpec(shape, tf.uint16), np.prod(shape) * n_values
    n_pieces = everything // MOST_LOGITS
    assert largest_tensor(loss_and_gradient(model.nll), spec, n_pieces) <= MOST_LOGITS
    assert largest_tensor(loss_and_gradient(all_at_once), spec, n_pieces) == everything


@pytest.mark.parametrize(
    ("name", "n_values", "message"),
    [
        ("logistic-5", 65537, "from 2 to 65536"),
        ("logistic-5", 1, "from 2 to 65536"),
        ("softmax-16", 4096, "has 16 values"),
        ("bernoulli", 256, "has 2 values"),
    ],
)
def test_impossible_numbers_of_values(name, n_values, message):
    with pytest.raises(ValueError, match=message):
        get_likelihood(name, n_values)
