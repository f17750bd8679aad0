"""Discretized logistic mixtures against slow counterparts in double precision."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import random_images
from scipy.special import expit, logsumexp
from scipy.stats import chisquare

from pixelcnn_tf import LogisticMixture, UserError, get_likelihood
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.sampling.uniforms import stateless_uniforms
from pixelcnn_tf.training.experiment import check_choice, check_values

VALUES = np.arange(256)
LAST_UNIFORM = 1 - 2.0**-24


def random_params(rng, n, k, spread=1.0):
    """float32 ``[n, 3 * k]`` as a trained model may give them; ``spread`` 10 and more for those
    that none should give, too."""
    logits = spread * rng.normal(size=(n, k))
    means = rng.uniform(-spread, spread, size=(n, k))
    log_scales = rng.uniform(-2 - 3 * spread, -2 + 2 * spread, size=(n, k))
    return np.concatenate([logits, means, log_scales], axis=-1).astype("float32")


def extreme_params():
    """float32 ``[n, 6]``: two components, all combinations of the ends of what may happen."""
    logits, means, log_scales = [0, -100, 100], [-100, -1.0039, 0.2, 1, 100], [-50, -7, 0, 7, 50]
    grid = np.meshgrid(logits, [1], means, [-1, 0.5], log_scales, [-5, 8], indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=-1).astype("float32")


def reference_log_probs(params, k):
    """Equation 2 of arXiv 1701.05517 in float64, one component after another:
    float64 ``[n, 256, k]``."""
    out = np.empty((len(params), 256, k))
    for row, (_, means, log_scales) in enumerate(params.astype(np.float64).reshape(-1, 3, k)):
        for i in range(k):
            scale = np.exp(np.clip(log_scales[i], -7, 7)) * 127.5
            centre = VALUES - (means[i] + 1) * 127.5
            a = np.where(VALUES == 255, np.inf, (centre + 0.5) / scale)
            b = np.where(VALUES == 0, -np.inf, (centre - 0.5) / scale)
            # The mirror image, where the difference loses no digits
            a, b = np.where(a + b > 0, [-b, -a], [a, b])
            difference = expit(a) - expit(b)
            tiny = difference <= 1e-290  # sigmoid(x) is exp(x) here
            out[row, :, i] = np.log(np.where(tiny, 1.0, difference))
            out[row, tiny, i] = a[tiny] + np.log1p(-np.exp(b[tiny] - a[tiny]))
    return out


def reference(params, k):
    """Log-probabilities of all values under the mixture, float64 ``[n, 256]``."""
    logits = params.astype(np.float64)[:, None, :k]
    weights = logits - logsumexp(logits, axis=-1, keepdims=True)
    return logsumexp(weights + reference_log_probs(params, k), axis=-1)


def nats_of_all(likelihood, params):
    """The negative log-likelihood of every value under every row, by ``nll``: ``[n, 256]``."""
    images = np.tile(VALUES, len(params)).astype(np.uint8).reshape(-1, 1, 1, 1)
    logits = np.repeat(params, 256, axis=0)[:, None, None, None]
    return likelihood.nll(images, logits).numpy().reshape(-1, 256)


def uniforms_for(rng, n):
    return (rng.integers(2**24, size=n) / 2**24).astype("float32")


# Probabilities


@pytest.mark.parametrize(("k", "spread"), [(1, 1), (3, 1), (10, 1), (3, 10)])
def test_equals_the_paper_in_double_precision(k, spread, rng):
    likelihood = LogisticMixture(k)
    params = random_params(rng, 20, k, spread)
    components = likelihood.component_log_probs(VALUES, params[:, None]).numpy()
    np.testing.assert_allclose(components, reference_log_probs(params, k), rtol=1e-4, atol=1e-4)
    expected = reference(params, k)
    np.testing.assert_allclose(nats_of_all(likelihood, params), -expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(likelihood.probabilities(params), np.exp(expected), atol=1e-5)


def test_extremes_equal_the_paper_in_double_precision():
    params = extreme_params()[::7]
    nats = nats_of_all(LogisticMixture(2), params)
    np.testing.assert_allclose(nats, -reference(params, 2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 5, 100])
def test_probabilities_sum_to_one(k, rng):
    likelihood = LogisticMixture(k)
    many = [random_params(rng, 50, k, spread) for spread in (0.1, 1, 10, 25)]
    if k == 2:
        many.append(extreme_params())
    for params in many:
        sums = likelihood.probabilities(params).numpy().astype(np.float64).sum(-1)
        np.testing.assert_allclose(sums, 1, atol=1e-5)
        sums = np.exp(-nats_of_all(likelihood, params).astype(np.float64)).sum(-1)
        np.testing.assert_allclose(sums, 1, atol=1e-5)


def test_nll_sums_over_sub_pixels_and_takes_other_dtypes(rng):
    likelihood = LogisticMixture(2)
    params = random_params(rng, 2 * 3 * 4 * 3, 2).reshape(2, 3, 4, 3, 6)
    images = random_images(rng, 2, 3, 4, 3, 256)
    log_probs = reference(params.reshape(-1, 6), 2)[np.arange(72), images.ravel()]
    expected = -log_probs.reshape(2, -1).sum(-1)
    for given in (images, images.astype("float32"), images.astype("int64")):
        nats = likelihood.nll(given, params)
        assert nats.dtype == "float32"
        np.testing.assert_allclose(nats, expected, rtol=1e-4)
    bits = likelihood(images, params)
    assert float(bits) == pytest.approx(expected.mean() / (36 * np.log(2)), rel=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_everything_is_finite_for_every_value(jit_compile):
    likelihood, params = LogisticMixture(2), extreme_params()
    images = np.tile(VALUES, len(params)).astype(np.uint8).reshape(-1, 1, 1, 1)

    @tf.function(jit_compile=jit_compile)
    def nats_and_gradients(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            nats = likelihood.nll(images, logits)
        return nats, tape.gradient(nats, logits)

    logits = tf.constant(np.repeat(params, 256, axis=0)[:, None, None, None])
    nats, gradients = nats_and_gradients(logits)
    assert np.isfinite(nats).all() and np.isfinite(gradients).all()
    assert np.isfinite(likelihood.probabilities(params)).all()


def test_gradients_equal_differences(rng):
    """Against the reference in float64, moved by a little in each parameter."""
    likelihood, params = LogisticMixture(2), random_params(rng, 6, 2)
    params[:, 4:] = rng.uniform(-5, 1, size=(6, 2))
    values = np.array([0, 1, 100, 200, 254, 255])
    variables = tf.constant(params)
    with tf.GradientTape() as tape:
        tape.watch(variables)
        log_probs = likelihood.log_probs(values, variables)
    gradients = tape.gradient(log_probs, variables).numpy()
    for i in range(6):
        step = 1e-5 * np.eye(6)[i]
        ends = [reference(params + sign * step, 2)[np.arange(6), values] for sign in (1, -1)]
        expected = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(gradients[:, i], expected, rtol=2e-3, atol=2e-3)


# Drawing


@pytest.mark.parametrize(("k", "spread"), [(1, 1), (3, 1), (10, 1), (3, 10)])
def test_draw_inverts_the_cumulative_distribution(k, spread, rng):
    likelihood, params = LogisticMixture(k), random_params(rng, 60, k, spread)
    cumulative = np.exp(reference(params, k)).cumsum(-1)
    uniforms = uniforms_for(rng, (60, 20))
    drawn = likelihood.draw(np.repeat(params[:, None], 20, axis=1), uniforms).numpy()
    assert drawn.dtype == np.float32 and drawn.shape == (60, 20)
    expected = (cumulative[:, None] <= uniforms[..., None]).sum(-1)
    far_from_tie = np.abs(cumulative[:, None] - uniforms[..., None]).min(-1) > 1e-5
    np.testing.assert_array_equal(drawn[far_from_tie], expected[far_from_tie])
    assert far_from_tie.mean() > 0.98
    # The generic way, from the probabilities of all values, chooses the same ones.
    generic = likelihood.draw(np.repeat(params[:, None], 20, axis=1), uniforms, 1.0).numpy()
    np.testing.assert_array_equal(drawn[far_from_tie], generic[far_from_tie])


@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, {"top_p": 0.9}])
def test_draw_stays_in_range_at_the_ends(options, rng):
    params = np.concatenate([extreme_params(), random_params(rng, 100, 2, 5)])
    least = reference(params, 2)
    for u in (0.0, LAST_UNIFORM):
        values = LogisticMixture(2).draw(params, np.full(len(params), u, "float32"), **options)
        values = values.numpy()
        np.testing.assert_array_equal(values, np.clip(np.round(values), 0, 255))
        # Only what may happen is drawn (2 ** -24 is the smallest step of a uniform).
        assert (least[np.arange(len(params)), values.astype(int)] > np.log(1e-40)).all()


@pytest.mark.parametrize("temperature", [0.5, 2.0, 1e-3])
def test_temperature_is_a_power_of_the_probabilities(temperature, rng):
    params = random_params(rng, 300, 3)
    scaled = reference(params, 3) / temperature
    cumulative = np.exp(scaled - logsumexp(scaled, axis=-1, keepdims=True)).cumsum(-1)
    uniforms = uniforms_for(rng, 300)
    drawn = LogisticMixture(3).draw(params, uniforms, temperature).numpy()
    tolerance = max(1e-5, 1e-5 / temperature)
    clear = np.abs(cumulative - uniforms[:, None]).min(-1) > tolerance
    expected = (cumulative <= uniforms[:, None]).sum(-1)
    np.testing.assert_array_equal(drawn[clear], expected[clear])
    assert clear.mean() > (0.97 if temperature > 0.1 else 0.5)


def test_top_p_draws_the_likeliest_values(rng):
    params = random_params(rng, 200, 3)
    uniforms = uniforms_for(rng, 200)
    drawn = LogisticMixture(3).draw(params, uniforms, None, 0.5).numpy().astype(int)
    p = np.exp(reference(params, 3))
    for row, value in zip(p, drawn, strict=True):
        assert row[row > row[value] * (1 + 1e-4)].sum() < 0.5
    assert len(np.unique(drawn)) > 50
    likeliest = LogisticMixture(3).draw(params, uniforms, None, 1e-6).numpy().astype(int)
    np.testing.assert_allclose(p[np.arange(200), likeliest], p.max(-1), rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7, "top_p": 0.9}])
def test_draw_with_and_without_xla(options, rng):
    likelihood, params = LogisticMixture(10), random_params(rng, 2000, 10)
    uniforms = uniforms_for(rng, 2000)
    naive, compiled = (
        tf.function(lambda p, u: likelihood.draw(p, u, **options), jit_compile=jit)(
            tf.constant(params), tf.constant(uniforms)
        ).numpy()
        for jit in (False, True)
    )
    different = np.flatnonzero(naive != compiled)
    assert len(different) <= 2  # ties
    assert (np.abs(naive - compiled)[different] == 1).all()


def test_frequencies_are_the_probabilities():
    params = np.array([[0, 1, -1, 0.2, -0.95, 0.9, -3, -4, -2]], "float32")
    n = 50_000
    uniforms = stateless_uniforms(0, 0, 1, n).numpy()[0]
    drawn = LogisticMixture(3).draw(np.repeat(params, n, axis=0), uniforms).numpy().astype(int)
    counts = np.bincount(drawn, minlength=256)
    expected = n * np.exp(reference(params, 3)[0])
    order = np.argsort(expected)
    rare = expected[order].cumsum() < 10  # too few for the test's approximation: pool them
    pooled = [
        np.append(x[order][~rare], x[order][rare].sum()) for x in (counts.astype(float), expected)
    ]
    assert chisquare(pooled[0], pooled[1] * n / pooled[1].sum()).pvalue > 1e-3


# What it is not for


@pytest.mark.parametrize("n_mixtures", [0, 101, 2.0, True, "3", np.int64(101)])
def test_impossible_numbers_of_mixtures(n_mixtures):
    with pytest.raises(ValueError, match="from 1 to 100"):
        LogisticMixture(n_mixtures)


@pytest.mark.parametrize(("n_mixtures", "n_params"), [(1, 5), (2, 7), (2, 5)])
def test_outputs_of_another_number_are_refused(n_mixtures, n_params):
    """Some would broadcast, and probabilities sum to 2."""
    likelihood, images = LogisticMixture(n_mixtures), np.zeros((1, 2, 2, 1))
    logits = np.zeros((1, 2, 2, 1, n_params), "float32")
    words = f"{n_params} outputs per sub-pixel; must be {3 * n_mixtures}"
    for call in (likelihood.probabilities, lambda x: likelihood.nll(images, x)):
        with pytest.raises(ValueError, match=words):
            call(logits)


def test_as_a_loss_it_refuses_values_that_are_not_whole():
    for value in (0.5, 256, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="integers from 0 to 255"):
            LogisticMixture(1)(np.full((1, 2, 2, 1), value), np.zeros((1, 2, 2, 1, 3)))


def test_images_that_do_not_fit_get_one_line():
    with pytest.raises(ValueError, match=r"'sample' .* 'logistic-2' does not fit"):
        Config.model_validate(
            {"data": {"binarize": "sample"}, "model": {"likelihood": "logistic-2"}}
        )
    for name, n_values, cure in [
        ("logistic-2", 2, "bernoulli"),
        ("logistic-2", 4, "softmax-4"),
        ("softmax-256", 2, "bernoulli"),
    ]:
        words = f"{name} is for .* up to {n_values - 1} only; choose '{cure}'"
        with pytest.raises(UserError, match=words) as error:
            check_choice(n_values - 1, get_likelihood(name))
        assert "\n" not in str(error.value)
    check_choice(255, LogisticMixture(2))
    check_values(
        Images(*[np.zeros((1, 2, 2, 1), np.uint8)] * 2), LogisticMixture(2)
    )  # a trained one


@pytest.mark.parametrize("shape", [(1, 4, 4, 3), (8, 1, 4, 3), (8, 4, 4, 1)])
def test_images_of_another_shape_are_not_broadcast(shape):
    mixture, outputs = LogisticMixture(2), np.zeros([8, 4, 4, 3, 6], "float32")
    with pytest.raises(ValueError, match="must be equal but for the last axis"):
        mixture.nll(np.zeros(shape, np.uint8), outputs)
