"""One mixture over all colours of a pixel, told as one a colour."""

import numpy as np
import pytest
import tensorflow as tf

from pixelcnn_tf import LogisticMixture
from pixelcnn_tf.likelihoods.logistic_mixture import PixelMixture


def log_prob_reference(pixel, params, n_mix):
    """Equation 3 of arXiv 1701.05517 in float64: the log-probability of one pixel [channels] from
    one mixture over it."""
    n = len(pixel)
    params = params.astype(np.float64)
    logits, params = params[:n_mix], params[n_mix:]
    means, log_scales = params[: n * n_mix], params[n * n_mix : 2 * n * n_mix]
    coefficients = np.tanh(params[2 * n * n_mix :].reshape(-1, n_mix))
    weights = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    total = 0.0
    for k in range(n_mix):
        product, x, used = weights[k], 2 * pixel / 255.0 - 1, 0
        for c in range(n):
            mean = means[c * n_mix + k]
            for earlier in range(c):
                mean += coefficients[used, k] * x[earlier]
                used += 1
            scale = np.exp(max(log_scales[c * n_mix + k], -7))

            def cdf(at, mean=mean, scale=scale):
                return 1 / (1 + np.exp(-(at - mean) / scale))

            upper = 1.0 if pixel[c] == 255 else cdf(x[c] + 1 / 255)
            lower = 0.0 if pixel[c] == 0 else cdf(x[c] - 1 / 255)
            product *= upper - lower
        total += product
    return np.log(total)


@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_pixel_mixture_equals_the_paper_in_double_precision(n_channels, rng):
    n_mix, n = 3, 40
    mixture = PixelMixture(LogisticMixture(n_mix), n_channels)
    assert n_channels != 3 or mixture.n_params == 10 * n_mix
    params = rng.normal(size=(n, mixture.n_params)).astype("float32")
    pixels = rng.integers(256, size=(n, n_channels))
    pixels[:4] = [[0], [255], [1], [254]]
    colours = mixture.per_channel(params, list(pixels.T[:-1].astype("float32")))
    assert len(colours) == n_channels
    got = sum(
        mixture.likelihood.log_probs(pixels[:, c], colours[c]).numpy() for c in range(n_channels)
    )
    expected = [
        log_prob_reference(pixel, row, n_mix) for pixel, row in zip(pixels, params, strict=True)
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    for part in colours:
        sums = mixture.likelihood.probabilities(part).numpy().sum(-1)
        np.testing.assert_allclose(sums, 1, atol=1e-5)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_gradients_of_the_pixel_mixture_are_differences_of_the_reference(n_channels, rng):
    mixture, n_mix = PixelMixture(LogisticMixture(2), n_channels), 2
    params = tf.constant(rng.normal(size=(4, mixture.n_params)).astype("float32"))
    pixels = rng.integers(256, size=(4, n_channels))
    pixels[:2] = [[0], [255]]
    values = list(tf.constant(pixels.T, tf.float32))
    with tf.GradientTape() as tape:
        tape.watch(params)
        colours = mixture.per_channel(params, values[:-1])
        parts = zip(values, colours, strict=True)
        total = tf.add_n([mixture.likelihood.log_probs(*part) for part in parts])
    got = tape.gradient(total, params)
    for row, pixel, gradient in zip(params.numpy().astype(float), pixels, got, strict=True):
        for i, step in enumerate(1e-5 * np.eye(len(row))):
            ends = [log_prob_reference(pixel, row + way * step, n_mix) for way in (1, -1)]
            assert float(gradient[i]) == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-3)


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_probabilities_of_a_colour_sum_to_one_at_extremes(size, rng):
    mixture = PixelMixture(LogisticMixture(4), 3)
    params = (size * rng.normal(size=(200, 40))).astype("float32")
    values = list(rng.integers(256, size=(2, 200)).astype("float32"))
    for part in mixture.per_channel(params, values):
        sums = mixture.likelihood.probabilities(part).numpy().sum(-1)
        np.testing.assert_allclose(sums, 1, atol=1e-5)


def test_pixel_mixture_is_finite_at_extremes(rng):
    mixture = PixelMixture(LogisticMixture(4), 3)
    params = tf.constant((200 * rng.normal(size=(256, 40))).astype("float32"))
    values = [tf.range(256.0)] * 2
    with tf.GradientTape() as tape:
        tape.watch(params)
        colours = mixture.per_channel(params, values)
        nats = [-mixture.likelihood.log_probs(tf.range(256.0), part) for part in colours]
        loss = tf.add_n(nats)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, params)).all()


@pytest.mark.parametrize("n_channels", [1, 3])
def test_ten_thousand_large_steps_stay_finite(n_channels, rng):
    """Each row of parameters is drawn to one pixel: scales get as small as they may. Of one
    colour it is ``LogisticMixture`` itself."""
    mixture = PixelMixture(LogisticMixture(2), n_channels)
    pixels = rng.integers(256, size=(16, 3)).astype("float32")
    pixels[:4] = [[0, 0, 0], [255, 255, 255], [0, 255, 0], [255, 0, 255]]
    pixels = pixels[:, :n_channels]
    values = list(tf.constant(pixels.T))

    def nats(params):
        colours = mixture.per_channel(params, values[:-1])
        pairs = zip(values, colours, strict=True)
        return -tf.add_n([mixture.likelihood.log_probs(*pair) for pair in pairs])

    def step(number, params):
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss = nats(params)
        gradient = tape.gradient(loss, params)
        length = tf.norm(gradient, axis=-1, keepdims=True)
        return number + 1, params - 0.1 * gradient / (length + 1e-6)

    @tf.function(autograph=False, jit_compile=True)
    def train(params):
        return tf.while_loop(lambda number, _: number < 10_000, step, [0, params])[1]

    first = tf.constant(rng.normal(size=(16, mixture.n_params)).astype("float32"))
    last = train(first)
    assert np.isfinite(last).all() and np.isfinite(nats(last)).all()
    assert (nats(last).numpy() < nats(first).numpy()).all()
    for part in mixture.per_channel(last, values[:-1]):  # any other pixel, too
        every = mixture.likelihood.log_probs(tf.range(256.0), part[:, None])
        assert np.isfinite(every).all()
