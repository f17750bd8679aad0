"""Masks of the pixels to hide."""

import numpy as np
import pytest
from PIL import Image

from pixelcnn_tf import UserError
from pixelcnn_tf.data.mask_files import read_mask

MASK = np.zeros((6, 5), bool)
MASK[1:4, 2:] = True


def painted(colour, ground):
    image = Image.new("RGBA", (5, 6), ground)
    image.paste(colour, (2, 1, 5, 4))
    return image


@pytest.mark.parametrize(
    "image",
    [
        painted((0, 0, 0, 255), (0, 0, 0, 0)),
        painted((255, 255, 255, 255), (0, 0, 0, 0)),
        painted((255, 0, 0, 255), (255, 255, 255, 0)),
        painted((255, 255, 255, 255), (0, 0, 0, 255)),  # with alpha, but nothing transparent
        Image.fromarray(MASK.astype(np.uint8)),
        Image.fromarray(MASK.astype(np.uint8) * 255),
        Image.fromarray(MASK),
        Image.fromarray(MASK.astype(np.uint16) * 65535),
    ],
)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_what_is_painted_is_hidden(image, ending, tmp_path):
    image.save(tmp_path / f"mask.{ending}")
    np.testing.assert_array_equal(read_mask(tmp_path / f"mask.{ending}"), MASK)


def test_gif(tmp_path):
    Image.fromarray(MASK.astype(np.uint8) * 255).save(tmp_path / "mask.gif")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.gif"), MASK)


@pytest.mark.parametrize("dtype", [bool, "uint8", "int64", "float32"])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (1, 6, 5), (1, 6, 5, 1)])
def test_arrays(dtype, shape, tmp_path):
    np.save(tmp_path / "mask.npy", MASK.astype(dtype).reshape(shape))
    np.savez(tmp_path / "MASK.NPZ", MASK.astype(dtype).reshape(shape))
    (tmp_path / "MASK.NPZ.npz").rename(tmp_path / "MASK.NPZ")
    for name in ("mask.npy", "MASK.NPZ"):
        np.testing.assert_array_equal(read_mask(tmp_path / name), MASK)


def test_an_array_of_intensities(tmp_path):
    np.save(tmp_path / "mask.npy", np.where(MASK, 200, 90).astype(np.uint8))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.npy"), MASK)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((6, 5, 3)), r"float64 of shape \(6, 5, 3\); a mask must be one array"),
        (np.zeros(30), "a mask must be one array"),
        (np.full((6, 5), -1), "has values from -1 to -1"),
        (np.full((6, 5), np.nan), "has values from nan to nan"),
        (np.full((6, 5), "x"), "holds <U1 of shape"),
    ],
)
def test_what_is_no_mask_is_one_line(array, words, tmp_path):
    np.save(tmp_path / "mask.npy", array)
    with pytest.raises(UserError, match=words) as error:
        read_mask(tmp_path / "mask.npy")
    assert "\n" not in str(error.value)
