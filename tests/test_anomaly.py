"""Anomaly scores against NumPy."""

import functools
import io

import numpy as np
import pytest
from helpers import random_images
from helpers import small_model as new_model
from PIL import Image

from pixelcnn_tf import UserError, anomaly_scores, score, surprise_maps
from pixelcnn_tf.anomaly import complexity
from pixelcnn_tf.utils.stored_images import StoredImages

small_model = functools.cache(new_model)  # nothing changes their weights


def bits_of(model, images, **labels):
    """Bits per dimension in float64, from the outputs of the model."""
    logits = model(images, **labels)
    logs = np.asarray(model.likelihood.log_probs(images, logits), np.float64)
    return -logs.sum(axis=(1, 2, 3)) / np.log(2) / images[0].size


def smallest_file(image):
    sizes = []
    for options in ({"format": "PNG", "optimize": True}, {"format": "WEBP", "lossless": True}):
        file = io.BytesIO()
        Image.fromarray(image).save(file, **options)
        sizes.append(len(file.getvalue()))
    return 8 * min(sizes) / image.size


@pytest.fixture
def sets(rng):
    return [random_images(rng, n, 5, 6, 3) for n in (7, 20)]


@pytest.mark.parametrize("correct", [None, "complexity", "ratio"])
def test_scores_are_those_of_numpy(correct, sets):
    model, background = small_model(seed=0), small_model(seed=1)
    images, reference = sets
    given = {"background": background} if correct == "ratio" else {}
    result = anomaly_scores(model, images, reference, correct=correct, batch_size=4, **given)
    expected = []
    for some in sets:
        subtracted = np.zeros(len(some))
        if correct == "complexity":
            subtracted = np.array([smallest_file(image) for image in some])
        elif correct == "ratio":
            subtracted = bits_of(background, some)
        expected.append((bits_of(model, some), subtracted))
    (bits, subtracted), others = expected[0], expected[1][0] - expected[1][1]
    scores = bits - subtracted
    np.testing.assert_allclose(result.bits_per_dim, bits, rtol=1e-5)
    np.testing.assert_allclose(result.subtracted, subtracted, rtol=1e-5)
    np.testing.assert_allclose(result.score, scores, rtol=1e-4)
    assert result.mean == pytest.approx(others.mean(), rel=1e-4)
    assert result.standard_deviation == pytest.approx(others.std(ddof=1), rel=1e-4)
    z_scores = (scores - others.mean()) / others.std(ddof=1)
    np.testing.assert_allclose(result.z_score, z_scores, rtol=1e-3, atol=1e-3)
    lower = (others[None] < scores[:, None]).mean(axis=1)
    np.testing.assert_allclose(result.percentile, 100 * lower, atol=1e-9)


def test_an_image_of_the_reference_counts_half(sets):
    _, reference = sets
    result = anomaly_scores(small_model(), reference, reference)
    np.testing.assert_allclose(
        np.sort(result.percentile), 100 * (np.arange(20) + 0.5) / 20, atol=1e-9
    )
    assert abs(result.z_score.mean()) < 1e-9 and result.z_score.std(ddof=1) == pytest.approx(1)


def test_labels_reach_the_models_that_have_classes(sets):
    images, reference = sets
    model, background = small_model(n_classes=3), small_model(seed=1)
    labels, others = np.arange(7) % 3, np.arange(20) % 3
    result = anomaly_scores(
        model, images, reference, labels, others, correct="ratio", background=background
    )
    np.testing.assert_allclose(result.bits_per_dim, bits_of(model, images, labels=labels), 1e-5)
    np.testing.assert_allclose(result.subtracted, bits_of(background, images), rtol=1e-5)


def test_maps_sum_to_the_bits_of_the_image(sets):
    model, images = small_model(), sets[0]
    maps = surprise_maps(model, images, batch_size=3)
    assert maps.shape == (7, 5, 6)
    nats = score(model, images, per_subpixel=True)
    np.testing.assert_allclose(maps, nats.sum(axis=-1) / np.log(2), rtol=1e-12)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) / 3, bits_of(model, images), rtol=1e-5)


def test_stored_images(sets):
    images, reference = sets
    stored = [StoredImages(a.__getitem__, a.shape, "images") for a in sets]
    for correct in (None, "complexity"):
        one = anomaly_scores(small_model(), images, reference, correct=correct)
        two = anomaly_scores(small_model(), *stored, correct=correct)
        np.testing.assert_array_equal(one.score, two.score)


@pytest.mark.parametrize(("channels", "n_values"), [(1, 2), (1, 256), (2, 256), (3, 256), (4, 2)])
def test_complexity_grows_with_the_image(channels, n_values, rng):
    noise = random_images(rng, 1, 16, 16, channels, n_values)
    half = noise * (np.arange(16) < 8)[:, None, None]
    flat, some, most = complexity(
        np.concatenate([0 * noise, half.astype(np.uint8), noise]), n_values
    )
    assert flat < some < most
    assert np.log2(n_values) < most < np.log2(n_values) + 6  # and the headers


def test_complexity_of_images_too_wide_for_webp():
    assert complexity(np.zeros([1, 1, 17_000, 1], np.uint8)) < 0.1


def test_all_reference_images_alike(sets):
    result = anomaly_scores(small_model(), sets[0], np.repeat(sets[0][:1], 30, axis=0))
    assert not np.isfinite(result.z_score).any()
    assert result.percentile[0] == 50


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"correct": "size"}, "correct='size': must be 'complexity', 'ratio' or None"),
        ({"correct": "ratio"}, "background: is missing"),
        ({"background": small_model}, "background: is given, correct=None"),
        ({"images": np.zeros([2, 6, 5, 3])}, "must have the height, width and channels of the ref"),
        ({"images": np.zeros([2, 5, 6])}, "must be .n, height, width, channels."),
        ({"images": np.full([2, 5, 6, 3], 4)}, "0 to 3"),
        ({"reference": np.zeros([1, 5, 6, 3])}, "reference: 1 image; must be at least 2"),
        ({"labels": 1}, "not class-conditional"),
    ],
)
def test_wrong_arguments(change, words, sets):
    given = {"images": sets[0], "reference": sets[1], **change}
    if "background" in given:
        given["background"] = small_model()
    with pytest.raises(UserError, match=words):
        anomaly_scores(small_model(), **given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_channels": 1}, "has 1 channels per pixel; must have 3"),
        ({"likelihood": "softmax-8"}, "has 8 values per sub-pixel; must have 4"),
        ({"n_classes": 2}, "has 2 classes; must have none"),
    ],
)
def test_wrong_background(options, words, sets):
    with pytest.raises(UserError, match=f"background: {words}"):
        anomaly_scores(
            small_model(), *sets, correct="ratio", background=small_model(seed=1, **options)
        )


@pytest.mark.parametrize("value", [-1, 256, 0.5, np.nan])
def test_complexity_of_wrong_values(value):
    with pytest.raises(UserError, match="must hold integers from 0 to 255"):
        complexity(np.full([1, 4, 4, 1], value))
