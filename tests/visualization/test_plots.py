import numpy as np
import pytest
from PIL import Image

from pixelcnn_tf import get_mask
from pixelcnn_tf.visualization.grids import image_grid, save_image
from pixelcnn_tf.visualization.plots import mask_blocks, mask_panel


@pytest.mark.parametrize("mask_type", ["A", "B"])
def test_block_of_a_pair_of_channels_is_their_mask(mask_type):
    """The green output sees red at the centre; the red output does not see green there."""
    mask = get_mask((3, 5), 3, 3, mask_type)
    blocks = mask_blocks(mask)
    assert blocks.shape == (3 * 4 - 1, 3 * 6 - 1)
    for out in range(3):
        for seen in range(3):
            block = blocks[4 * out : 4 * out + 3, 6 * seen : 6 * seen + 5]
            np.testing.assert_array_equal(block, mask[:, :, seen, out])
    assert blocks[4 + 1, 2] == 1
    assert blocks[1, 6 + 2] == 0
    assert np.isnan(blocks[3]).all()


@pytest.mark.parametrize(("kernel_size", "n_channels"), [(5, 3), (7, 1), ((3, 5), 4), (3, 20)])
def test_panel_shows_dark_light_and_the_framed_centre(kernel_size, n_channels):
    panel = mask_panel(kernel_size, n_channels).astype(int)
    red, green, blue = np.moveaxis(panel, -1, 0)
    assert ((red > 150) & (green < 90) & (blue < 90)).sum() > 20  # frames
    assert (panel.sum(-1) < 200).mean() > 0.1  # dark
    assert (panel.sum(-1) > 700).mean() > 0.2  # light


def test_grid_shows_every_image_once_in_order():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.full((2, 3, 1), 40, np.uint8)
    grid = image_grid(images, columns=3)
    shades = grid[:, :, 0]
    places = [np.argwhere(shades == 40 * i) for i in range(6)]
    assert all(len(place) == len(places[0]) for place in places)
    centres = [tuple(place.mean(axis=0)) for place in places]
    assert centres == sorted(centres)
    assert len({round(row) for row, _ in centres}) == 2


def test_grid_of_binary_images_is_black_and_white_and_of_many_channels_grey():
    binary = np.array([0, 1], np.uint8).reshape(2, 1, 1, 1)
    assert set(np.unique(image_grid(binary, n_values=2))) == {0, 255}
    four = image_grid(np.zeros((1, 2, 2, 4), np.uint8))
    assert four.shape[1] > 3 * four.shape[0]


def test_image_file_is_complete_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_image(np.zeros((4, 4, 3), np.uint8), path)
    before = path.read_bytes()

    def half(self, file, **_):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(KeyboardInterrupt):
        save_image(np.ones((4, 4, 3), np.uint8), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
