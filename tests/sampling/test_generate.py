import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from helpers import assert_same_but_for_ties, random_images, small_model
from scipy.stats import chisquare

from pixelcnn_tf import PixelRNN, SamplingSettings, UserError, generate_images
from pixelcnn_tf.sampling.uniforms import stateless_uniforms


@pytest.fixture(scope="module")
def model():
    return small_model(3, "softmax-4")


def exact_probabilities(model, shape):
    """All images of a shape and the probability that the model gives to each."""
    n_values = model.likelihood.n_values
    values = itertools.product(range(n_values), repeat=int(np.prod(shape)))
    images = np.array(list(values), np.uint8).reshape(-1, *shape)
    nats = model.likelihood.nll(images, model(images)).numpy().astype(np.float64)
    return np.exp(-nats)


@pytest.mark.parametrize(
    ("shape", "name", "method"),
    [
        ((1, 2, 3), "softmax-2", "incremental"),
        ((2, 3, 1), "bernoulli", "incremental"),
        pytest.param((2, 2, 1), "softmax-4", "incremental", marks=pytest.mark.slow),
        pytest.param((2, 2, 1), "softmax-4", "naive", marks=pytest.mark.slow),
    ],
)
def test_frequencies_are_the_probabilities(shape, name, method):
    """Chi-square over 20,000 tiny images against exact enumeration."""
    model = small_model(shape[-1], name, n_layers=1, seed=3)
    n = 20_000
    images = generate_images(model, shape[:2], n, seed=1, method=method, jit_compile=False)
    n_values = model.likelihood.n_values
    codes = images.reshape(n, -1).astype(int) @ n_values ** np.arange(np.prod(shape))[::-1]
    probabilities = exact_probabilities(model, shape)
    counts = np.bincount(codes, minlength=len(probabilities)).astype(float)
    order = np.argsort(probabilities)
    expected, seen = n * probabilities[order], counts[order]
    rare = np.cumsum(expected) < 10  # too few for the test's approximation: pool them
    expected = np.append(expected[~rare], expected[rare].sum())
    seen = np.append(seen[~rare], seen[rare].sum())
    keep = expected > 0
    expected *= n / expected.sum()
    assert keep.sum() > 10
    assert chisquare(seen[keep], expected[keep]).pvalue > 1e-3
    # The test has teeth: uniform images would fail it.
    flat = np.full(len(expected), n / len(expected))
    assert chisquare(seen, flat).pvalue < 1e-6


def test_equals_a_naive_loop_over_the_whole_image(model):
    """Against Python: the whole network on the whole image for every sub-pixel."""
    height, width, n = 3, 4, 5
    uniforms = stateless_uniforms(7, 0, n, height * width * 3).numpy()
    expected = np.zeros((n, height, width, 3), np.uint8)
    where = itertools.product(range(height), range(width), range(3))
    for i, (row, column, channel) in enumerate(where):
        logits = model(expected).numpy()[:, row, column, channel].astype(np.float64)
        p = np.exp(logits - logits.max(-1, keepdims=True))
        cumulative = np.cumsum(p / p.sum(-1, keepdims=True), axis=-1)
        expected[:, row, column, channel] = (cumulative <= uniforms[:, i, None]).sum(-1)
    for method in ("incremental", "naive"):
        images = generate_images(model, (height, width), n, seed=7, method=method)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.slow), True])
def test_incremental_and_naive_draw_the_same_images_but_for_ties(jit_compile, capsys):
    model = small_model(3, "softmax-256", hidden_dim=8, out_dim=8, seed=4)
    n, height, width = 40, 9, 10
    incremental = generate_images(model, (height, width), n, 3, jit_compile=jit_compile)
    naive = generate_images(model, (height, width), n, 3, method="naive")
    ties = assert_same_but_for_ties(model, naive, incremental, 3)
    with capsys.disabled():
        print(f" [{ties} ties in {incremental.size} sub-pixels]", end="")
    assert ties <= 2


def test_image_i_of_a_seed_does_not_depend_on_their_number_or_batches(model):
    many = generate_images(model, 4, 9, seed=5)
    for n, batch in [(1, None), (9, 1), (9, 4), (7, 4)]:  # a graph for every size of a batch
        few = generate_images(model, 4, n, seed=5, batch_size=batch, jit_compile=False)
        np.testing.assert_array_equal(many[:n], few)
    assert (many != generate_images(model, 4, 9, seed=6)).any()
    assert len(np.unique(many, axis=0)) == 9


def test_uniforms_are_uniform_and_never_one():
    u = stateless_uniforms(0, 0, 100, 1000).numpy()
    np.testing.assert_array_equal(u[7:9], stateless_uniforms(0, 7, 2, 1000))
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    counts = np.histogram(u, bins=50, range=(0, 1))[0]
    assert chisquare(counts).pvalue > 1e-3


def test_models_that_are_not_built_yet_are_built():
    for n_channels in (1, 3):
        model = PixelRNN(2, 2, 1, n_channels=n_channels, likelihood="softmax-4")
        assert generate_images(model, 2, 1, 0).shape == (1, 2, 2, n_channels)
    with pytest.raises(UserError, match="must be a PixelRNN"):
        generate_images("runs/digits", 2, 1, 0)


@pytest.mark.parametrize("method", ["incremental", "naive"])
def test_progress_rises_to_the_end_and_changes_nothing(method, model):
    calls = []
    options = {"method": method, "batch_size": 2, "jit_compile": False}
    images = generate_images(model, (4, 3), 5, 0, progress=lambda *a: calls.append(a), **options)
    done, total = zip(*calls, strict=True)
    assert set(total) == {5 * 4 * 3}
    assert list(done) == sorted(done) and done[-1] == 60 and len(done) > 2
    np.testing.assert_array_equal(images, generate_images(model, (4, 3), 5, 0, **options))


@pytest.mark.parametrize("case", ["upper half", "one colour", "single pixels", "none", "all"])
def test_completion_keeps_what_is_known(case, model, rng):
    shape = (6, 5, 4, 3)
    given = random_images(rng, *shape)
    known = {
        "upper half": np.arange(5)[:, None, None] < 2,
        "one colour": np.arange(3) == 1,
        "single pixels": rng.random((5, 4, 1)) < 0.2,
        "none": np.array(False),
        "all": np.array(True),
    }[case]
    known = np.broadcast_to(known, shape[1:])
    options = {"jit_compile": False}
    given_known = {"initial_images": given, "known": known}
    images = generate_images(model, shape[1:3], 6, 2, **given_known, **options)
    np.testing.assert_array_equal(images[:, known], given[:, known])
    free = generate_images(model, shape[1:3], 6, 2, **options)
    naive = generate_images(model, shape[1:3], 6, 2, **given_known, method="naive")
    np.testing.assert_array_equal(images, naive)
    if case == "none":
        np.testing.assert_array_equal(images, free)
    elif case != "all":
        assert (images[:, ~known] != given[:, ~known]).any()


def test_completion_does_not_look_at_what_is_hidden(model, rng):
    known = np.broadcast_to(np.arange(5)[:, None] < 2, (5, 4))
    a, b = random_images(rng, 2, 5, 4, 3)
    b[:2] = a[:2]
    first, second = (
        generate_images(model, (5, 4), 6, 0, image, known=known, jit_compile=False)
        for image in (a, b)
    )
    np.testing.assert_array_equal(first, second)


def test_low_temperature_takes_the_likeliest_value(model):
    images = generate_images(model, 3, 2, 0, temperature=1e-3)
    second, first = np.moveaxis(np.sort(model(images), axis=-1)[..., -2:], -1, 0)
    clear = first - second > 0.02  # less, and even a thousandfold leaves the other one a chance
    likeliest = tf.argmax(model(images), axis=-1).numpy()
    np.testing.assert_array_equal(images[clear], likeliest[clear])
    assert clear.mean() > 0.8


def test_tiny_top_p_takes_the_likeliest_value(model):
    images = generate_images(model, 3, 2, 0, top_p=2e-6, temperature=3.0)
    likeliest = tf.argmax(model(images), axis=-1).numpy()
    np.testing.assert_array_equal(images, likeliest)


KNOWN = np.ones((4, 4), bool)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image_size": 0}, "image_size=0"),
        ({"image_size": (4, 4, 3)}, "pair"),
        ({"image_size": 4.0}, "image_size=4.0"),
        ({"n_images": 0}, "n_images=0"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"seed": 2**40}, "32 bits"),
        ({"temperature": 0}, "temperature=0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"initial_images": np.zeros((4, 4, 3), int)}, "both, or neither"),
        ({"initial_images": np.zeros((5, 4, 3), int), "known": KNOWN}, "must be"),
        ({"initial_images": np.zeros((4, 4, 3), int), "known": KNOWN[:3]}, "must be"),
        ({"temperature": 1e-30}, "from 0.001 to 1000"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_p": 1.1}, "to 1"),
        ({"top_p": 1e-50}, "0.000001"),
        ({"image_size": True}, "image_size=True"),
        ({"initial_images": np.zeros((4, 4, 3), int), "known": KNOWN[:1]}, "must be"),
        ({"initial_images": 5, "known": KNOWN}, "must be"),
        ({"initial_images": [[1], [1, 2]], "known": KNOWN}, "must be arrays"),
        ({"method": "fast"}, "method='fast'"),
        ({"method": "incremetal"}, "did you mean 'incremental'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"batch_size": 10**9, "n_images": 10**9}, "GB of memory"),
        ({"n_images": 10**12}, "GB of memory"),
        ({"image_size": 10**6}, "GB of memory"),
        ({"initial_images": np.zeros((4, 4, 3), int), "known": KNOWN * 1}, "booleans"),
        ({"initial_images": np.full((4, 4, 3), 4), "known": KNOWN}, "0 to 3.*from 4 to 4"),
        ({"initial_images": np.full((4, 4, 3), 0.5), "known": KNOWN}, "integers"),
    ],
)
def test_wrong_arguments_are_named(arguments, words, model):
    with pytest.raises(UserError, match=words):
        generate_images(model, **{"image_size": 4, "n_images": 2, "seed": 0, **arguments})


def test_settings_and_single_settings_are_the_same(model):
    settings = SamplingSettings(temperature=0.5, top_p=0.9)
    expected = generate_images(model, 3, 2, 0, temperature=0.5, top_p=0.9)
    np.testing.assert_array_equal(generate_images(model, 3, 2, 0, settings=settings), expected)
    other = generate_images(model, 3, 2, 0, settings=settings, temperature=5.0)
    np.testing.assert_array_equal(
        other, generate_images(model, 3, 2, 0, temperature=5.0, top_p=0.9)
    )
    assert (other != expected).any()


@pytest.mark.parametrize(("old", "new"), [("raster", "incremental"), ("plain", "naive")])
def test_methods_keep_their_old_names(old, new):
    assert SamplingSettings(method=old) == SamplingSettings(method=new)
    assert SamplingSettings().updated({"method": old}).method == new


def test_settings_cannot_be_changed_and_are_known_by_name(model):
    settings = SamplingSettings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.temperature = 2.0
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        generate_images(model, 3, 2, 0, temprature=2.0)
    for wrong in ({"jit_compile": "yes"}, {"method": None}, {"top_p": True}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            SamplingSettings(**wrong)
