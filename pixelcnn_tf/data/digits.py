"""The embedded handwritten digits."""

import colorsys

import numpy as np
from PIL import Image

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import Images, hold_out_test
from pixelcnn_tf.utils.errors import UserError

DIGITS_SIZE = (12, 12)


INK = 0.45  # how dark a scanned pixel must be to count as ink: 0 is paper, 1 is black


TINTS_PER_DIGIT = 4


HUES = 6


# Handwritten digits of scikit-learn (UCI Optical Recognition of Handwritten Digits):
# 1797 images of 8x8 pixels, values 0 to 16.


def digits_grey(data: DataConfig) -> Images:
    from sklearn.datasets import load_digits

    digits = load_digits()  # images: float64 [1797, 8, 8]; target: int64 [1797]
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return hold_out_test(images, digits.target.astype(np.int32), data)


def digits(data: DataConfig) -> Images:
    """Digits enlarged and tinted in random hues, every test digit unseen in training."""
    height, width = data.image_size or DIGITS_SIZE
    if min(height, width) < 8:
        raise UserError(f"data.image_size: {[height, width]}, but digits need at least 8x8")
    rng = np.random.default_rng([data.seed, 2])
    grey = digits_grey(data)
    parts = []
    for part in (grey.train, grey.test):
        sheets = [Image.fromarray(digit[..., 0]) for digit in part]
        inside = (width - 2, height - 2)  # a margin of one pixel all around
        large = [
            np.pad(np.asarray(sheet.resize(inside, Image.Resampling.BICUBIC)), 1)
            for sheet in sheets
        ]
        ink = np.repeat(np.stack(large), TINTS_PER_DIGIT, axis=0)[..., None] >= 255 * INK
        paper, pen = _hues(len(ink), rng)
        parts.append(np.where(ink, pen, paper))
    labels = (np.repeat(part, TINTS_PER_DIGIT) for part in (grey.train_labels, grey.test_labels))
    return Images(*parts, *labels)


def _hues(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Dark paper and bright pen colours of unlike hue: two uint8 arrays ``[n, 1, 1, 3]``."""
    paper = rng.integers(HUES, size=n)
    pen = (paper + rng.integers(1, HUES, size=n)) % HUES
    dark, bright = _wheel(saturation=1.0, value=0.4), _wheel(saturation=0.4, value=1.0)
    return dark[paper][:, None, None], bright[pen][:, None, None]


def _wheel(saturation: float, value: float) -> np.ndarray:
    """The colours of all hues: uint8 ``[HUES, 3]``."""
    colours = [colorsys.hsv_to_rgb(i / HUES, saturation, value) for i in range(HUES)]
    return np.round(255 * np.array(colours)).astype(np.uint8)
