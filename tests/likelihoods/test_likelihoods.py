import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_images, small_model

from pixelcnn_tf import Bernoulli, NLLMetric, Softmax, get_likelihood


def all_images(height, width, channels, n_values):
    values = itertools.product(range(n_values), repeat=height * width * channels)
    return np.array(list(values), np.uint8).reshape(-1, height, width, channels)


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((2, 2, 1), "softmax-4"),
        ((1, 2, 3), "softmax-2"),
        ((2, 2, 3), "bernoulli"),
        ((3, 3, 1), "bernoulli"),
    ],
)
def test_probabilities_of_all_images_sum_to_one(shape, name):
    model = small_model(shape[-1], name, n_layers=1)
    images = all_images(*shape, model.likelihood.n_values)
    nats = model.likelihood.nll(images, model(images)).numpy().astype(np.float64)
    assert np.exp(-nats).sum() == pytest.approx(1, abs=1e-5)
    assert np.exp(-nats).std() > 0  # not merely uniform


@pytest.mark.parametrize("scale", [1, 100])
def test_softmax_equals_numpy_in_double_precision(scale, rng):
    images = random_images(rng, 3, 4, 5, 3, 256)
    logits = scale * rng.normal(size=(3, 4, 5, 3, 256))
    largest = logits.max(-1, keepdims=True)
    log_sum = largest[..., 0] + np.log(np.exp(logits - largest).sum(-1))
    picked = np.take_along_axis(logits, images[..., None].astype(int), -1)[..., 0]
    expected = (log_sum - picked).sum((1, 2, 3))
    np.testing.assert_allclose(Softmax().nll(images, logits), expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [1, 100])
def test_bernoulli_equals_numpy_in_double_precision(scale, rng):
    images = random_images(rng, 3, 4, 5, 2, 2)
    logits = scale * rng.normal(size=(3, 4, 5, 2, 1))
    expected = np.logaddexp(0, (1 - 2 * images.astype(float)) * logits[..., 0]).sum((1, 2, 3))
    np.testing.assert_allclose(Bernoulli().nll(images, logits), expected, rtol=1e-5)


def test_bernoulli_equals_binary_cross_entropy_of_keras(rng):
    images = random_images(rng, 3, 4, 5, 1, 2)
    logits = rng.normal(size=(3, 4, 5, 1, 1)).astype("float32")
    keras_loss = keras.losses.BinaryCrossentropy(from_logits=True)(images, logits[..., 0])
    bits = float(Bernoulli()(images, logits))
    assert bits * math.log(2) == pytest.approx(float(keras_loss), rel=1e-5)


@pytest.mark.parametrize(("likelihood", "value"), [(Bernoulli(), 200), (Softmax(4), 0.5)])
def test_as_a_loss_it_refuses_values_that_it_does_not_know(likelihood, value):
    images = np.full((1, 2, 2, 1), value)
    with pytest.raises(tf.errors.InvalidArgumentError, match="integers from 0 to"):
        likelihood(images, np.zeros((1, 2, 2, 1, likelihood.n_params)))
    with pytest.raises(ValueError, match="'bits_per_dim' or"):
        NLLMetric(likelihood, "bits")


def test_uniform_model_costs_eight_bits(rng):
    images = random_images(rng, 5, 4, 4, 3, 256)
    logits = np.zeros((5, 4, 4, 3, 256), "float32")
    likelihood = Softmax()
    assert float(likelihood(images, logits)) == pytest.approx(8)
    nats = float(likelihood.nll(images, logits)[0])
    assert likelihood.report(nats, 48) == {"bits_per_dim": pytest.approx(8)}


def test_bernoulli_reports_nats_first():
    report = Bernoulli().report(7.0, 10)
    assert list(report) == ["nats_per_image", "bits_per_dim"]
    assert report["nats_per_image"] == 7
    assert report["bits_per_dim"] == pytest.approx(7 / (10 * math.log(2)))


@pytest.mark.parametrize("unit", ["bits_per_dim", "nats_per_image"])
def test_metric_averages_over_images_not_batches(unit, rng):
    likelihood = Bernoulli()
    metric = NLLMetric(likelihood, unit)
    images = random_images(rng, 7, 2, 2, 1, 2)
    logits = rng.normal(size=(7, 2, 2, 1, 1)).astype("float32")
    for part in (slice(0, 4), slice(4, 7)):
        metric.update_state(images[part], logits[part])
    nats = likelihood.nll(images, logits).numpy().mean()
    assert float(metric.result()) == pytest.approx(likelihood.report(nats, 4)[unit], rel=1e-5)
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert twin.unit == unit and isinstance(twin.likelihood, Bernoulli)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draw_inverts_the_cumulative_distribution(temperature, rng):
    logits = rng.normal(size=(500, 8)).astype("float32") * 3
    uniforms = (rng.integers(2**24, size=500) / 2**24).astype("float32")
    scaled = logits.astype(float) / temperature
    p = np.exp(scaled - scaled.max(-1, keepdims=True))
    cumulative = np.cumsum(p / p.sum(-1, keepdims=True), -1)
    expected = (cumulative <= uniforms[:, None]).sum(-1)
    drawn = Softmax(8).draw(logits, uniforms, temperature).numpy()
    far_from_tie = np.abs(cumulative - uniforms[:, None]).min(-1) > 1e-5
    np.testing.assert_array_equal(drawn[far_from_tie], expected[far_from_tie])
    assert far_from_tie.mean() > 0.98


@pytest.mark.parametrize("n_values", [2, 8, 17, 256])
@pytest.mark.parametrize("top_p", [None, 0.3, 0.9])
def test_draw_from_the_likeliest_values(top_p, n_values, rng):
    """Against a loop over images: sort, keep until the sum reaches top_p, invert."""
    logits = rng.normal(size=(200, n_values)).astype("float32") * 3
    uniforms = (rng.integers(2**24, size=200) / 2**24).astype("float32")
    drawn = Softmax(n_values).draw(logits, uniforms, 0.8, top_p).numpy()
    checked = 0
    for row, u, value in zip(logits.astype(float) / 0.8, uniforms, drawn, strict=True):
        p = np.exp(row - row.max())
        p /= p.sum()
        order = np.argsort(-p)
        kept = n_values if top_p is None else 1 + np.flatnonzero(p[order].cumsum() >= top_p)[0]
        q = np.zeros(n_values)
        q[order[:kept]] = p[order[:kept]]
        cumulative = np.cumsum(q) / q.sum()
        assert q[int(value)] > 0
        if np.abs(cumulative - u).min() > 1e-5:
            assert value == np.searchsorted(cumulative, u, side="right")
            checked += 1
    assert checked > 190


@pytest.mark.parametrize("likelihood", [Softmax(256), Softmax(2), Bernoulli()])
def test_draw_stays_in_range_at_the_ends(likelihood, rng):
    logits = 50 * rng.normal(size=(200, likelihood.n_params)).astype("float32")
    for u in (0.0, 1 - 2.0**-24):
        values = likelihood.draw(logits, np.full(200, u, "float32")).numpy()
        assert values.min() >= 0 and values.max() <= likelihood.n_values - 1


@pytest.mark.parametrize(
    ("name", "n_values", "n_params"),
    [
        ("softmax-256", 256, 256),
        ("softmax-2", 2, 2),
        ("logistic-1", 256, 3),
        ("logistic-100", 256, 300),
        ("bernoulli", 2, 1),
    ],
)
def test_names_make_likelihoods(name, n_values, n_params):
    likelihood = get_likelihood(name)
    assert (likelihood.n_values, likelihood.n_params) == (n_values, n_params)


@pytest.mark.parametrize(
    "name",
    [
        *("softmax", "softmax-1", "softmax-65537", "softmax-x", "bernouli", ""),
        *("logistic", "logistic-0", "logistic-101", "logistic--1", "logistic-1.5"),
    ],
)
def test_unknown_names_are_said(name):
    with pytest.raises(ValueError, match="'softmax-256'"):
        get_likelihood(name)


@pytest.mark.parametrize("n_values", [1, 65537, 2.0])
def test_impossible_numbers_of_values(n_values):
    with pytest.raises(ValueError, match="from 2 to 65536"):
        Softmax(n_values)
