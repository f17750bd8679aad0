"""The handwritten digits that scikit-learn ships, which need no download.

They are those of scikit-learn (UCI Optical Recognition of Handwritten Digits): 1797 images of 8x8
pixels with values from 0 to 16.
"""

import colorsys

import numpy as np
from PIL import Image

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import Images, hold_out_test
from pixelcnn_tf.utils.errors import UserError

DIGITS_SIZE = (12, 12)

#: The darkness from which a scanned pixel counts as ink: 0 is paper, 1 is black.
INK = 0.45

TINTS_PER_DIGIT = 4

HUES = 6


def digits_grey(data: DataConfig) -> Images:
    """Returns the digits in greyscale, uint8 ``[n, 8, 8, 1]``, with their labels.

    Args:
        data: the section of the config that states which images are held out for testing.

    Examples:
        >>> images = pixelcnn_tf.load_images("digits_grey")
        >>> images.train.shape, images.test.shape
        ((1617, 8, 8, 1), (180, 8, 8, 1))
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)  # float64 [1797, 64], int64 [1797]
    images = np.round(np.reshape(pixels, (-1, 8, 8, 1)) * (255 / 16)).astype(np.uint8)
    return hold_out_test(images, np.asarray(labels, np.int32), data)


def digits(data: DataConfig) -> Images:
    """Returns enlarged digits in random hues, uint8 ``[n, height, width, 3]``, with their labels.

    Each digit appears in several tints; no test digit is in the training set in any tint.

    Args:
        data: the section of the config that states the image size, and which images are held out
            for testing.

    Raises:
        UserError: the image size is below 8x8.

    Examples:
        >>> images = pixelcnn_tf.load_images("digits", labels=True)
        >>> images.train.shape, images.train_labels.shape
        ((6468, 12, 12, 3), (6468,))
    """
    height, width = data.image_size or DIGITS_SIZE
    if min(height, width) < 8:
        raise UserError(f"data.image_size: {[height, width]}, but digits need at least 8x8")
    rng = np.random.default_rng([data.seed, 2])
    grey = digits_grey(data)
    parts = []
    for part in (grey.train, grey.test):
        scans = [Image.fromarray(digit[..., 0]) for digit in part]
        inside = (width - 2, height - 2)  # a margin of one pixel on every side
        large = [
            np.pad(np.asarray(scan.resize(inside, Image.Resampling.BICUBIC)), 1) for scan in scans
        ]
        ink = np.repeat(np.stack(large), TINTS_PER_DIGIT, axis=0)[..., None] >= 255 * INK
        paper, pen = _hues(len(ink), rng)
        parts.append(np.where(ink, pen, paper))
    labels = [
        np.repeat(np.asarray(part), TINTS_PER_DIGIT)
        for part in (grey.train_labels, grey.test_labels)
    ]
    return Images(parts[0], parts[1], labels[0], labels[1])


def _hues(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns dark paper and bright pen colours of different hue: uint8 ``[n, 1, 1, 3]`` each."""
    paper = rng.integers(HUES, size=n)
    pen = (paper + rng.integers(1, HUES, size=n)) % HUES
    dark, bright = _wheel(saturation=1.0, value=0.4), _wheel(saturation=0.4, value=1.0)
    return dark[paper][:, None, None], bright[pen][:, None, None]


def _wheel(saturation: float, value: float) -> np.ndarray:
    """Returns the colours of all hues, uint8 ``[HUES, 3]``."""
    colours = [colorsys.hsv_to_rgb(i / HUES, saturation, value) for i in range(HUES)]
    return np.round(255 * np.array(colours)).astype(np.uint8)
