"""The sizes of images in formats of other programs."""

import numpy as np
import pytest

from pixelcnn_tf.utils.image_formats import available, size_in


@pytest.mark.parametrize("name", available())
def test_sizes_of_plain_and_of_noisy_images(name):
    noise = np.random.default_rng(0).integers(256, size=[40, 40, 3]).astype(np.uint8)
    assert size_in(name, noise) >= noise.size
    assert size_in(name, np.zeros_like(noise)) < 200
    binary = noise[..., :1] % 2
    assert 40 * 40 / 8 < size_in(name, binary, n_values=2) < 40 * 40 / 2
    assert size_in(name, noise[..., :2], effort=False) >= 40 * 40 * 2


def test_an_image_that_is_too_large_for_webp():
    assert size_in("WebP", np.zeros([1, 20_000, 1], np.uint8)) is None
