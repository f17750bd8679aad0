"""Surprise maps: one colour scale for all images."""

import numpy as np
import pytest
from matplotlib import colormaps

from pixelcnn_tf.visualization.surprise import COLOUR_MAP, map_files, surprise_panel


def colour(fraction):
    return np.round(255 * np.array(colormaps[COLOUR_MAP](fraction)[:3]))


def has(panel, wanted):
    return (np.abs(panel - wanted).max(axis=-1) <= 1).mean() > 0.02


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_colour_of_a_pixel_is_its_bits_over_the_end_of_the_scale(channels):
    images = np.full((2, 4, 4, channels), 100, np.uint8)
    maps = np.stack([np.full((4, 4), 2.0), np.full((4, 4), 8.0)])
    panel = surprise_panel(images, maps, top=8.0)
    assert has(panel, colour(0.25)) and has(panel, colour(1.0)) and has(panel, [100] * 3)
    alone = surprise_panel(images[:1], maps[:1], top=8.0, titles=["two bits"])
    assert has(alone, colour(0.25)) and not has(alone, colour(1.0))


def test_noise_does_not_make_other_images_dark():
    maps = np.stack([np.full((4, 4), 4.0), np.full((4, 4), 300.0)])
    panel = surprise_panel(np.zeros((2, 4, 4, 1), np.uint8), maps)
    assert has(panel, colour(0.5)) and has(panel, colour(1.0))


def test_binary_images_are_black_and_white():
    panel = surprise_panel(np.ones((1, 4, 4, 1), np.uint8), np.ones((1, 4, 4)), n_values=2)
    assert has(panel, [255] * 3)


def test_files_are_in_order_and_have_safe_names():
    names = [f"a/{i}.png" for i in range(11)] + ["b c/../x:y.npz[3]", "z" * 300 + ".png"]
    files = map_files(names)
    assert files == sorted(files) and len(set(files)) == len(files)
    assert files[11] == "11_x_y.png" and len(files[12]) < 100
