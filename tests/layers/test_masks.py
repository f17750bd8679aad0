import numpy as np
import pytest

from pixelcnn_tf import get_mask


def test_the_picture_everybody_knows():
    expected = np.array(
        [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    )
    a = get_mask(5, 1, 1, "A", n_channels=1)
    assert a.shape == (5, 5, 1, 1) and a.dtype == np.float32
    np.testing.assert_array_equal(a[:, :, 0, 0], expected)
    expected[2, 2] = 1
    np.testing.assert_array_equal(get_mask(5, 1, 1, "B", n_channels=1)[:, :, 0, 0], expected)


@pytest.mark.parametrize("mask_type", ["A", "B"])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 3, (3, 7), (5, 1)])
def test_every_entry_follows_the_order(kernel_size, n_channels, mask_type):
    """Each entry by itself: its position in the raster order decides."""
    features_in, features_out = 2 * n_channels, 3 * n_channels
    mask = get_mask(kernel_size, features_in, features_out, mask_type, n_channels)
    height, width = mask.shape[:2]
    for (row, column, i, o), value in np.ndenumerate(mask):
        seen = (row - height // 2, column - width // 2, i // 2)
        own = (0, 0, o // 3)
        allowed = seen < own or (mask_type == "B" and seen == own)
        assert value == allowed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 3, 3, "A"), "from 1 up"),
        (((3, -1), 3, 3, "A"), "from 1 up"),
        ((2.5, 3, 3, "A"), "integer"),
        (((3, 3, 3), 3, 3, "A"), "pair"),
        ((3, 4, 3, "A"), "features_in=4"),
        ((3, 3, 5, "B"), "features_out=5"),
        ((3, 0, 3, "B"), "features_in=0"),
        ((3, 3, 3, "C"), "'A' or 'B'"),
        ((3, 3, 3, "a"), "'A' or 'B'"),
        ((3, 3, 3, "A", 0), "n_channels=0"),
    ],
)
def test_what_cannot_be_is_said(arguments, words):
    with pytest.raises(ValueError, match=words):
        get_mask(*arguments)


def test_the_centre_of_an_even_kernel_is_at_half_of_its_sides():
    mask = get_mask((2, 4), 1, 1, "A", n_channels=1)[:, :, 0, 0]
    assert mask.astype(int).tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
