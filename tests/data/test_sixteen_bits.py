"""Image files of 16 bits per channel with ``data.sixteen_bit: keep``."""

import numpy as np
import pytest
from PIL import Image

from pixelcnn_tf import DataConfig, UserError, load_images


def load(source, **options):
    return load_images(DataConfig(source=str(source), sixteen_bit="keep", **options))


def test_sixteen_bits_are_resized_and_not_mixed_with_eight(tmp_path):
    ramp = np.tile(np.linspace(1000, 60_000, 64).astype(np.uint16), (32, 1))
    for name in "ab":
        Image.fromarray(ramp).save(tmp_path / f"{name}.png")
    [image] = load(tmp_path, image_size=[16, 32], fit="resize").train[..., 0]
    assert image.shape == (16, 32) and image.dtype == np.uint16
    np.testing.assert_allclose(image[3], ramp[0].reshape(32, 2).mean(1), atol=700)
    with pytest.raises(UserError, match="codes are not resized"):
        load(tmp_path, image_size=[16, 32], values="codes")
    Image.fromarray((ramp >> 8).astype(np.uint8)).save(tmp_path / "c.png")
    with pytest.raises(UserError, match=r"c\.png: has 8 bits per channel, .* has 16"):
        load(tmp_path)
