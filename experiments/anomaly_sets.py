"""Sets of anomalous images for ``experiments.anomaly``, made from test images."""

import string

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

#: Outlines of garments in a square of side 1, as (x, y) of their corners.
GARMENTS = {
    "shirt": [
        *[(0.0, 0.25), (0.3, 0.0), (0.7, 0.0), (1.0, 0.25), (0.85, 0.45)],
        *[(0.75, 0.35), (0.75, 1.0), (0.25, 1.0), (0.25, 0.35), (0.15, 0.45)],
    ],
    "trousers": [
        *[(0.2, 0.0), (0.8, 0.0), (0.9, 1.0), (0.6, 1.0), (0.5, 0.3), (0.4, 1.0), (0.1, 1.0)]
    ],
    "dress": [(0.35, 0.0), (0.65, 0.0), (0.6, 0.4), (0.95, 1.0), (0.05, 1.0), (0.4, 0.4)],
    "bag": [
        *[(0.0, 0.4), (0.3, 0.4), (0.35, 0.1), (0.65, 0.1)],
        *[(0.7, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)],
    ],
    "boot": [(0.3, 0.0), (0.65, 0.0), (0.65, 0.5), (1.0, 0.75), (1.0, 1.0), (0.3, 1.0)],
}


#: Pixels of a drawing per pixel of the image that it is reduced to.
SCALE = 4


def sets_of_grey_digits(test: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns sets of as many images as there are test images, with the 17 grey levels of the
    digits.

    Args:
        test: uint8 ``[n, height, width, 1]``, grey digits on black.
        seed: of what is drawn at random.
    """
    rng = np.random.default_rng(seed)
    levels = np.round(np.arange(17) * (255 / 16)).astype(np.uint8)
    n = len(test)

    def grey(drawings: list[np.ndarray]) -> np.ndarray:
        return levels[np.round(np.stack(drawings) * 16).astype(int)][..., None]

    return {
        "letters": grey([letter(rng, *test.shape[1:3]) for _ in range(n)]),
        "garments": grey([garment(rng, *test.shape[1:3]) for _ in range(n)]),
        **changed(test, rng),
        "one grey": np.broadcast_to(levels[rng.integers(17, size=(n, 1, 1, 1))], test.shape),
        "black": np.zeros_like(test),
        "noise of 17 greys": levels[rng.integers(17, size=test.shape)],
        "uniform noise": rng.integers(256, size=test.shape).astype(np.uint8),
    }


def sets_of_coloured_digits(test: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns sets of as many images as there are test images, in the two colours of one each.

    Args:
        test: uint8 ``[n, height, width, 3]``, digits of two colours each; the corner is paper.
        seed: of what is drawn at random.
    """
    rng = np.random.default_rng(seed)
    n, height, width, _ = test.shape
    paper = test[:, :1, :1]
    ink = (test != paper).any(axis=-1)
    pen = np.stack([image[mask][0] for image, mask in zip(test, ink, strict=True)])[:, None, None]

    def coloured(drawings: list[np.ndarray]) -> np.ndarray:
        return np.where(np.stack(drawings)[..., None] >= 0.5, pen, paper)

    return {
        "letters": coloured([letter(rng, height, width) for _ in range(n)]),
        "garments": coloured([garment(rng, height, width) for _ in range(n)]),
        **changed(test, rng),
        "one colour": np.broadcast_to(paper, test.shape),
        "noise of two colours": coloured(list(rng.random([n, height, width]))),
        "uniform noise": rng.integers(256, size=test.shape).astype(np.uint8),
    }


def sets_of_photographs(test: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns sets of changed test images.

    Args:
        test: uint8 ``[n, height, width, 3]``.
        seed: of what is drawn at random.
    """
    rng = np.random.default_rng(seed)
    flat = np.round(test.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    blur = ImageFilter.GaussianBlur(1.5)
    blurred = [np.asarray(Image.fromarray(image).filter(blur)) for image in test]
    grey = [np.asarray(Image.fromarray(image).convert("L").convert("RGB")) for image in test]
    noisy = test + rng.normal(0, 20, test.shape)
    return {
        "one colour": np.broadcast_to(flat, test.shape),
        "blurred": np.stack(blurred),
        "grey": np.stack(grey),
        "upside down": test[:, ::-1],
        "noisy": np.clip(np.round(noisy), 0, 255).astype(np.uint8),
        "pixels permuted": permuted(test, rng),
        "uniform noise": rng.integers(256, size=test.shape).astype(np.uint8),
    }


def changed(test: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns sets of images of the same pixels in another order."""
    return {
        "mirrored": test[:, :, ::-1],
        "rotated by 90°": np.rot90(test, axes=(1, 2)),
        "pixels permuted": permuted(test, rng),
    }


def permuted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the images with the pixels of each in an order of its own."""
    n, height, width, channels = images.shape
    pixels = images.reshape(n, height * width, channels)
    orders = rng.permuted(np.tile(np.arange(height * width), (n, 1)), axis=1)
    return np.take_along_axis(pixels, orders[..., None], axis=1).reshape(images.shape)


def letter(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Returns a random capital letter about as large as a digit: float ``[height, width]``, 0 for
    paper and 1 for ink."""
    image = Image.new("L", (width * SCALE, height * SCALE))
    font = ImageFont.load_default(size=height * SCALE)
    middle = width * SCALE / 2, height * SCALE / 2
    text = string.ascii_uppercase[rng.integers(26)]
    ImageDraw.Draw(image).text(middle, text, 255, font, anchor="mm", stroke_width=1)
    return _reduced(image)


def garment(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Returns the silhouette of a random garment, as ``letter``."""
    corners = np.array(GARMENTS[list(GARMENTS)[rng.integers(len(GARMENTS))]])
    size = rng.uniform(0.7, 0.9, size=2)
    points = (rng.uniform(0.02, 0.98 - size) + corners * size) * [width * SCALE, height * SCALE]
    image = Image.new("L", (width * SCALE, height * SCALE))
    ImageDraw.Draw(image).polygon([tuple(point) for point in points], fill=255)
    return _reduced(image)


def _reduced(image: Image.Image) -> np.ndarray:
    return np.asarray(image.reduce(SCALE), float) / 255
