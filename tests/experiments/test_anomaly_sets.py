"""The sets of anomalous images: as many as test images, in their colours, and changed."""

import numpy as np
import pytest

from experiments.anomaly_sets import (
    sets_of_coloured_digits,
    sets_of_grey_digits,
    sets_of_photographs,
)
from pixelcnn_tf import load_images


def colours(images):
    return {tuple(pixel) for pixel in images.reshape(-1, images.shape[-1]).tolist()}


@pytest.mark.parametrize(
    ("make_sets", "source"),
    [
        (sets_of_grey_digits, "digits_grey"),
        (sets_of_coloured_digits, "digits"),
        (sets_of_photographs, "digits"),
    ],
)
def test_sets_have_the_shape_of_the_test_images_and_differ_from_them(make_sets, source):
    test = load_images(source).test[:12]
    sets, again = make_sets(test, seed=3), make_sets(test, seed=3)
    for name, images in sets.items():
        assert (images.shape, images.dtype) == (test.shape, np.uint8), name
        assert (images != test).any(), name
        np.testing.assert_array_equal(images, again[name])
    moved, original = (
        np.sort(images.reshape(12, -1, test.shape[-1]).sum(axis=-1))
        for images in (sets["pixels permuted"], test)
    )
    np.testing.assert_array_equal(moved, original)


def test_sets_of_digits_have_their_colours():
    test = load_images("digits").test[:12]
    sets = sets_of_coloured_digits(test)
    for name in set(sets) - {"uniform noise"}:
        for image, digit in zip(sets[name], test, strict=True):
            assert colours(image) <= colours(digit), name
    for name in ("letters", "garments"):
        ink = (sets[name] != test[:, :1, :1]).any(axis=-1).mean(axis=(1, 2))
        assert (ink > 0.05).all() and (ink < 0.75).all(), name
    grey = load_images("digits_grey").test
    sets = sets_of_grey_digits(grey)
    for name in set(sets) - {"uniform noise"}:
        assert colours(sets[name]) <= colours(grey), name
