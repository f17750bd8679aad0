"""``score`` and ``compare`` against NumPy in double precision."""

import gc
import math
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_images, small_model, small_pixelcnn_pp
from scipy.special import log_expit, log_softmax

from pixelcnn_tf import UserError, compare, score, scoring
from pixelcnn_tf.models.pixel_rnn import PixelRNN


def bernoulli_reference(model, images, **labels):
    """Nats of every sub-pixel in float64, from the logits of one image at a time."""
    nats = np.empty(images.shape)
    for i, image in enumerate(images):
        given = {name: values[i : i + 1] for name, values in labels.items()}
        logit = np.asarray(model(image[None], **given), np.float64)[0, ..., 0]
        nats[i] = -log_expit(np.where(image == 1, logit, -logit))
    return nats


def softmax_reference(model, images):
    logits = np.asarray(model(images), np.float64)
    log_probs = log_softmax(logits, axis=-1)
    return -np.take_along_axis(log_probs, images[..., None].astype(int), axis=-1)[..., 0]


@pytest.mark.parametrize(
    ("dtype", "batch_size"),
    [
        *(("uint8", batch_size) for batch_size in (1, 2, 3, 5, 64)),
        *((dtype, 2) for dtype in ("int64", "float32")),
    ],
)
def test_scores_equal_numpy_whatever_the_batches(batch_size, dtype, rng):
    model = small_model(1, "bernoulli")
    images = random_images(rng, 5, 4, 6, 1, 2)
    expected = bernoulli_reference(model, images)
    given = images.astype(dtype)
    nats = score(model, given, batch_size=batch_size)
    assert nats.dtype == np.float64 and nats.shape == (5,)
    np.testing.assert_allclose(nats, expected.sum((1, 2, 3)), rtol=1e-5)
    terms = score(model, given, per_subpixel=True, batch_size=batch_size)
    assert terms.dtype == np.float64 and terms.shape == images.shape
    np.testing.assert_allclose(terms, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(terms.sum((1, 2, 3)), nats, rtol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 4)])
def test_any_size_and_channels(size, rng):
    model = small_model(3, "softmax-4")
    images = random_images(rng, 4, *size, 3)
    expected = softmax_reference(model, images)
    np.testing.assert_allclose(score(model, images), expected.sum((1, 2, 3)), rtol=1e-5)
    terms = score(model, images, per_subpixel=True)
    np.testing.assert_allclose(terms, expected, rtol=1e-4, atol=1e-5)


def test_subpixels_of_a_mixture_add_up(rng):
    model = small_pixelcnn_pp(3)
    images = random_images(rng, 3, 4, 8, 3, 256)
    terms = score(model, images, per_subpixel=True, batch_size=2)
    np.testing.assert_allclose(terms.sum((1, 2, 3)), score(model, images), rtol=1e-5)


def test_class_conditional_models_score_with_labels(rng):
    model = small_model(1, "bernoulli", n_classes=3)
    images, labels = random_images(rng, 5, 4, 4, 1, 2), np.array([0, 1, 2, 2, 0])
    expected = bernoulli_reference(model, images, labels=labels).sum((1, 2, 3))
    np.testing.assert_allclose(score(model, images, labels, batch_size=2), expected, rtol=1e-5)
    same = bernoulli_reference(model, images, labels=np.full(5, 1)).sum((1, 2, 3))
    np.testing.assert_allclose(score(model, images, 1), same, rtol=1e-5)
    assert np.abs(same - expected).max() > 1e-3


def test_dropout_is_off_and_weights_are_taken_as_they_are(rng):
    model = small_pixelcnn_pp(1, dropout=0.5)
    images = random_images(rng, 2, 4, 4, 1, 256)
    before = score(model, images)
    np.testing.assert_array_equal(score(model, images), before)
    for weight in model.trainable_weights:
        weight.assign(weight * 0.5)
    assert np.abs(score(model, images) - before).max() > 1e-3


def test_uneven_batches_are_traced_once(rng, monkeypatch):
    traces = []
    call = PixelRNN.call

    def counted(self, images, *args, **kwargs):
        traces.append(images.shape)
        return call(self, images, *args, **kwargs)

    monkeypatch.setattr(PixelRNN, "call", counted)
    model = small_model(1, "bernoulli")
    images = random_images(rng, 7, 4, 4, 1, 2)
    for given in (images, images[:5], images.astype("int32")):
        score(model, given, batch_size=3)
    assert len(traces) == 1


def test_graphs_do_not_keep_models_alive(rng):
    model = small_model(1, "bernoulli")
    score(model, random_images(rng, 2, 4, 4, 1, 2))
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_progress_is_called_after_each_batch(rng, capsys):
    model = small_model(1, "bernoulli")
    images = random_images(rng, 5, 4, 4, 1, 2)
    calls = []
    score(model, images, batch_size=2, progress=lambda *call: calls.append(call))
    assert calls == [(2, 5), (4, 5), (5, 5)]
    calls.clear()
    compare(model, model, images, batch_size=3, progress=lambda *call: calls.append(call))
    assert calls == [(3, 10), (5, 10), (8, 10), (10, 10)]
    assert capsys.readouterr().err == ""


def test_a_bar_is_shown_after_two_seconds(rng, capsys, monkeypatch):
    model = small_model(1, "bernoulli")
    images = random_images(rng, 4, 4, 4, 1, 2)
    bar, delays = scoring.progress_bar, []

    def shown_at_once(*args, disable, **options):
        if not disable:
            delays.append(bar(*args, **options).delay)
        return bar(*args, disable=disable, delay=0, **options)

    monkeypatch.setattr(scoring, "progress_bar", shown_at_once)
    score(model, images, batch_size=1)
    assert delays == [2] and "scoring" in capsys.readouterr().err
    score(model, images, batch_size=1, progress=False)
    assert delays == [2] and capsys.readouterr().err == ""


def wrong(name):
    images = np.zeros((3, 4, 4, 1), np.uint8)
    nothing = {"labels": None}
    return {
        "too large": (images + 2, nothing, "from 0 to 1, the values of bernoulli"),
        "negative": (images.astype(int) - 1, nothing, "from -1 to -1"),
        "not whole": (images + 0.5, nothing, "not integers"),
        "not a number": (images + np.nan, nothing, "integers from 0 to 1"),
        "strings": (images.astype(str), nothing, "integers from 0 to 1"),
        "no images": (images[:0], nothing, r"\(0, 4, 4, 1\): must be \(n, height, width, 1\)"),
        "one image": (images[0], nothing, "must be"),
        "channels": (images.repeat(3, axis=-1), nothing, "width, 1"),
        "ragged": ([[1], [1, 2]], nothing, "images"),
        "labels": (images, {"labels": [0, 1, 2]}, "not class-conditional"),
        "batch": (images, {"batch_size": 0}, "batch_size=0: must be an integer from 1 up"),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        *("too large", "negative", "not whole", "not a number", "strings", "no images"),
        *("one image", "channels", "ragged", "labels", "batch"),
    ],
)
def test_wrong_input_is_refused_in_one_line(name):
    images, options, message = wrong(name)
    with pytest.raises(UserError, match=message) as error:
        score(small_model(1, "bernoulli"), images, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("labels", [None, [0, 1], [0, 1, 3], [0.0, 1.0, 2.0]])
def test_wrong_labels_are_refused(labels):
    model = small_model(1, "bernoulli", n_classes=3)
    with pytest.raises(UserError, match="labels"):
        score(model, np.zeros((3, 4, 4, 1), np.uint8), labels)


def test_models_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="must be a PixelRNN"):
        score(keras.Sequential(), np.zeros((1, 6, 4, 1), np.uint8))
    flat, ours = small_model(1, "softmax-4"), small_model(1, "bernoulli")
    with pytest.raises(UserError, match="model_b: images"):
        compare(flat, ours, np.full((1, 6, 4, 1), 3))


def test_memory_that_runs_out_is_reported_in_one_line(monkeypatch):
    def fails(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(scoring, "_graph", lambda model: fails)
    with pytest.raises(UserError, match="batch_size"):
        score(small_model(1, "bernoulli"), np.zeros((3, 4, 4, 1), np.uint8))


def test_comparison_equals_numpy(rng):
    a, b = small_model(1, "bernoulli"), small_model(1, "bernoulli", seed=1, n_layers=1)
    images = random_images(rng, 11, 4, 6, 1, 2)
    nats_a, nats_b = (bernoulli_reference(model, images).sum((1, 2, 3)) for model in (a, b))
    result = compare(a, b, images, batch_size=4)
    differences = nats_a - nats_b
    variance = ((differences - differences.mean()) ** 2).sum() / 10
    expected = [nats_a.mean(), nats_b.mean(), differences.mean(), math.sqrt(variance / 11)]
    assert result.n_images == 11
    assert result.nats_per_image._asdict() == pytest.approx(
        dict(
            zip(("mean_a", "mean_b", "difference", "standard_error"), expected, strict=True),
        ),
        rel=1e-4,
    )
    bits = [figure / (24 * math.log(2)) for figure in expected]
    np.testing.assert_allclose(result.bits_per_dim, bits, rtol=1e-4)
    swapped = compare(b, a, images).nats_per_image
    assert swapped.difference == pytest.approx(-result.nats_per_image.difference)
    assert swapped.standard_error == pytest.approx(result.nats_per_image.standard_error)


def test_a_model_is_no_better_than_itself(rng):
    model = small_model(1, "bernoulli")
    result = compare(model, model, random_images(rng, 5, 4, 4, 1, 2))
    assert result.nats_per_image.difference == result.nats_per_image.standard_error == 0


def test_one_image_gives_no_standard_error(rng):
    model = small_model(1, "bernoulli")
    result = compare(model, model, random_images(rng, 1, 4, 4, 1, 2))
    assert math.isnan(result.bits_per_dim.standard_error) and result.bits_per_dim.difference == 0


def test_labels_go_to_the_model_that_takes_them(rng):
    plain = small_model(1, "bernoulli")
    by_class = small_model(1, "bernoulli", n_classes=2)
    images, labels = random_images(rng, 4, 4, 4, 1, 2), [0, 1, 1, 0]
    result = compare(plain, by_class, images, labels).nats_per_image
    assert result.mean_a == pytest.approx(score(plain, images).mean())
    assert result.mean_b == pytest.approx(score(by_class, images, labels).mean())
    with pytest.raises(UserError, match="model_a: labels"):
        compare(plain, plain, images, labels)
