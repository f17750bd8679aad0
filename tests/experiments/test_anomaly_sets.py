"""The sets of anomalous images: as many as test images, in their colours, and changed."""

import numpy as np
import pytest

from experiments.anomaly_sets import sets_of_digits, sets_of_photographs
from pixelcnn_tf import load_images

COLOURS = ["letters", "garments", "mirrored", "rotated by 90°", "pixels permuted", "one colour"]


def colours(image):
    return {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}


@pytest.mark.parametrize("of", [sets_of_digits, sets_of_photographs])
def test_sets_have_the_shape_of_the_test_images_and_differ_from_them(of):
    test = load_images("digits").test[:12]
    sets, again = of(test, seed=3), of(test, seed=3)
    for name, images in sets.items():
        assert (images.shape, images.dtype) == (test.shape, np.uint8), name
        assert (images != test).any(), name
        np.testing.assert_array_equal(images, again[name])


def test_sets_of_digits_have_the_colours_of_the_digits():
    test = load_images("digits").test[:12]
    sets = sets_of_digits(test)
    for name in [*COLOURS, "noise of two colours"]:
        for image, digit in zip(sets[name], test, strict=True):
            assert colours(image) <= colours(digit), name
    for name in ("letters", "garments"):
        ink = (sets[name] != test[:, :1, :1]).any(axis=-1).mean(axis=(1, 2))
        assert (ink > 0.05).all() and (ink < 0.75).all(), name
    moved, original = (
        np.sort(images.reshape(12, -1, 3).sum(-1)) for images in (sets["pixels permuted"], test)
    )
    np.testing.assert_array_equal(moved, original)
