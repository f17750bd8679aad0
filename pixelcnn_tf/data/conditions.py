"""Conditions that are made from the images themselves: greyscale, smaller and edge images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pixelcnn_tf.config.conditions import PAIRED, factor_of_kind, made_channels
from pixelcnn_tf.data.images import ImageArray, Images
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages, subset


def make_condition(
    images: "npt.ArrayLike | StoredImages", kind: str, n_values: int = 256
) -> ImageArray:
    """Returns the condition that ``data.condition`` makes from images.

    Args:
        images: uint8 ``[n, height, width, channels]``, values 0 to ``n_values - 1``.
        kind: ``'grey'``, the luma (0.299 red + 0.587 green + 0.114 blue, ITU-R BT.601);
            ``'downK'``, the means of K x K pixels; or ``'edges'``, a quarter of ``|gx| + |gy|`` of
            the luma, at most 255, with the Sobel derivatives gx and gy and images mirrored at their
            borders. All are rounded to integers.
        n_values: 2 for binary images, whose ones become 255.

    Returns:
        uint8 ``[n, height, width, 1]``, or ``[n, height / K, width / K, channels]`` for
        ``'downK'``; ``StoredImages`` for stored images.

    Raises:
        UserError: an unknown kind, images that are not grids, ``'grey'`` for images without three
            channels, or sides that K does not divide.

    Example:

    >>> images = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    >>> pixelcnn_tf.make_condition(images, "grey")[0, 0, :, 0].tolist()
    [1, 4, 7, 10]
    >>> pixelcnn_tf.make_condition(images, "down2").shape
    (1, 2, 2, 3)
    """
    array: Any = images if isinstance(images, StoredImages) else np.asarray(images)
    if array.ndim != 4 or 0 in array.shape:
        raise UserError(f"images {array.shape}: must be (n, height, width, channels), at least one")
    shape = made_shape(array.shape[1:], kind)
    if array.dtype != np.uint8:
        whole = array.dtype.kind in "biu" or (np.mod(array, 1) == 0).all()
        if not whole or array.min() < 0 or array.max() > 255:
            raise UserError(
                f"condition {kind!r}: is made from 8-bit images; these are {array.dtype} from "
                f"{array.min()} to {array.max()}, must be integers from 0 to 255"
            )
    if isinstance(array, StoredImages):

        def read(positions: np.ndarray) -> np.ndarray:
            return make_condition(array[positions], kind, n_values)  # type: ignore

        return StoredImages(read, (len(array), *shape), f"the {kind} images")
    out = np.empty((len(array), *shape), np.uint8)
    with tf.device("CPU"):
        for first in range(0, len(array), 256):
            part = tf.constant(array[first : first + 256])
            out[first : first + 256] = made(part, kind, n_values == 2).numpy()
    return out


def made_shape(shape: Sequence[int], kind: str) -> tuple[int, int, int]:
    """Returns the shape of the condition of an image.

    Args:
        shape: ``(height, width, channels)`` of the image.
        kind: as in ``make_condition``.

    Raises:
        UserError: as ``make_condition``.

    Example:

    >>> from pixelcnn_tf.data.conditions import made_shape
    >>> made_shape((32, 32, 3), "down4")
    (8, 8, 3)
    """
    height, width, channels = shape
    try:
        factor = factor_of_kind(kind)
    except ValueError as error:
        raise UserError(f"condition {kind!r}: {error}") from None
    if kind == PAIRED:
        raise UserError("condition 'paired': is read, not made from images")
    if kind == "grey" and channels != 3:
        raise UserError(
            f"condition 'grey': the images have {channels} channel{'s' * (channels > 1)}; must "
            "have 3"
        )
    if height % factor or width % factor:
        raise UserError(
            f"condition {kind!r}: {factor} must divide both sides of the images, which are "
            f"{height}x{width}"
        )
    return height // factor, width // factor, made_channels(kind, channels)


def made(images: tf.Tensor, kind: str, binary: bool) -> tf.Tensor:
    """Returns what ``make_condition`` makes, as a tensor of a graph; arguments are not checked.

    Integers are computed exactly, so that it is the same wherever it is made.

    Example:

    >>> from pixelcnn_tf.data.conditions import made
    >>> made(tf.ones([1, 4, 4, 1], tf.uint8), "down4", binary=True).numpy().ravel().tolist()
    [255]
    """
    x = tf.cast(images, tf.int32) * (255 if binary else 1)
    if kind == "grey":
        x = _luma(x)
    elif kind == "edges":
        x = _sobel(_luma(x))
    else:
        x = _means(x, factor_of_kind(kind))
    return tf.cast(x, tf.uint8)


def _luma(x: tf.Tensor) -> tf.Tensor:
    channels = x.shape[-1]
    if channels == 3:
        weights = tf.constant([299, 587, 114])
        return (tf.reduce_sum(x * weights, axis=-1, keepdims=True) + 500) // 1000
    return (2 * tf.reduce_sum(x, axis=-1, keepdims=True) + channels) // (2 * channels)


def _means(x: tf.Tensor, factor: int) -> tf.Tensor:
    sums = 0
    for row in range(factor):
        for column in range(factor):
            sums += x[:, row::factor, column::factor]
    return (2 * sums + factor**2) // (2 * factor**2)


def _sobel(x: tf.Tensor) -> tf.Tensor:
    padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    above, here, below = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
    down = above + 2 * here + below
    across = below - above
    gx = down[:, :, 2:] - down[:, :, :-2]
    gy = across[:, :, :-2] + 2 * across[:, :, 1:-1] + across[:, :, 2:]
    return tf.minimum((tf.abs(gx) + tf.abs(gy) + 2) // 4, 255)


def condition_of(images: Images, split: str) -> "np.ndarray | StoredImages | None":
    """Returns the conditions of a set: those that belong to it, or made from its images.

    Args:
        images: as ``load_images`` returns them.
        split: ``'train'``, ``'test'`` or ``'validation'``.

    Returns:
        integers ``[n, height, width, channels]``; None without ``data.condition``.

    Raises:
        UserError: as ``make_condition``.

    Example:

    >>> from pixelcnn_tf.data.conditions import condition_of
    >>> data = pixelcnn_tf.DataConfig(source="digits_grey", condition="down2")
    >>> condition_of(pixelcnn_tf.load_images(data), "test").shape
    (180, 4, 4, 1)
    """
    if images.condition in (None, PAIRED):
        return getattr(images, f"{split}_condition")
    return make_condition(getattr(images, split), images.condition, 2 if is_binary(images) else 256)


class Conditioned(NamedTuple):
    """Conditions, and the images and labels that they belong to, where these are known.

    Attributes:
        condition: integers ``[n, height, width, channels]``.
        images: integers ``[n, height, width, channels]``, or None.
        labels: int32 ``[n]``, or None.

    Example:

    >>> from pixelcnn_tf.data.conditions import Conditioned
    >>> Conditioned(np.zeros([1, 8, 8, 1], np.uint8)).images is None
    True
    """

    condition: np.ndarray
    images: np.ndarray | None = None
    labels: np.ndarray | None = None


def conditioned(images: Images, split: str, positions: np.ndarray) -> Conditioned:
    """Returns some images of a set with their conditions and labels; no others are read.

    Args:
        images, split: as for ``condition_of``.
        positions: integers ``[n]``.

    Raises:
        UserError: as ``make_condition``.

    Example:

    >>> from pixelcnn_tf.data.conditions import conditioned
    >>> data = pixelcnn_tf.DataConfig(source="digits_grey", condition="down2")
    >>> conditioned(pixelcnn_tf.load_images(data), "test", np.array([5, 7])).condition.shape
    (2, 4, 4, 1)
    """
    parts = {split: subset(getattr(images, split), positions)}
    if (given := getattr(images, f"{split}_condition")) is not None:
        parts[f"{split}_condition"] = subset(given, positions)
    labels = getattr(images, f"{split}_labels")
    return Conditioned(
        np.asarray(condition_of(images._replace(**parts), split)),
        np.asarray(parts[split]),
        None if labels is None else labels[positions],
    )


def is_binary(images: Images) -> bool:
    """Returns whether images are zeros and ones, or become so.

    Example:

    >>> from pixelcnn_tf.data.conditions import is_binary
    >>> is_binary(pixelcnn_tf.load_images("digits_grey"))
    False
    """
    return images.dynamic or int(images.train.max()) <= 1


def condition_shape(images: Images) -> tuple[int, int, int] | None:
    """Returns the shape of the condition of each image; None without ``data.condition``.

    Example:

    >>> from pixelcnn_tf.data.conditions import condition_shape
    >>> condition_shape(pixelcnn_tf.load_images("digits_grey")) is None
    True
    """
    if images.condition is None:
        return None
    if images.condition == PAIRED:
        assert images.train_condition is not None
        return images.train_condition.shape[1:]
    return made_shape(images.train.shape[1:], images.condition)
