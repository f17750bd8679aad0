"""Images and labels from NumPy files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import Part
from pixelcnn_tf.utils.errors import UserError, first_line

#: The endings of files of NumPy arrays.
ARRAY_ENDINGS = (".npz", ".npy")


def read_arrays(path: Path, data: DataConfig, labels: bool = False) -> list[Part]:
    """Returns the training images and, where there are any, the test images of an array file.

    Args:
        path: a .npy file with one array, or a .npz file with several.
        data: the names of the arrays of a .npz file.
        labels: whether to read the labels too, where there are any.

    Raises:
        UserError: the file cannot be read, or its arrays are not images or labels.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> images = np.zeros((5, 8, 8), np.uint8)
        >>> np.savez(path, x_train=images, x_test=images[:2])
        >>> [part.shape for part, _ in read_arrays(path, DataConfig(source=str(path)))]
        [(5, 8, 8, 1), (2, 8, 8, 1)]
    """
    if path.suffix not in ARRAY_ENDINGS:
        raise UserError(f"{path}: must be a .npz or .npy file or a folder of images")
    loaded = _read(path, lambda: np.load(path, allow_pickle=False))
    if isinstance(loaded, np.ndarray):
        return [(as_images(loaded, str(path)), None)]

    def read(setting: str) -> tuple[np.ndarray, str]:
        """Returns the array that a setting names, and its location for error messages."""
        key = getattr(data, setting)
        if key not in loaded.files:
            names = ", ".join(loaded.files) or "nothing"
            raise UserError(
                f"{path}: no array {key!r} in it; it holds {names}: name one in data.{setting}"
            )
        return _read(path, lambda: loaded[key]), f"{path}: {key}"

    with loaded:
        labels = labels and data.train_label_key in loaded.files
        parts = []
        for split in ("train", "test") if data.test_key in loaded.files else ("train",):
            images = as_images(*read(f"{split}_key"))
            numbers = as_labels(*read(f"{split}_label_key"), len(images)) if labels else None
            parts.append((images, numbers))
    return parts


def _read(path: Path, load: Callable):
    """Calls ``load``; an error that NumPy raises for a damaged file becomes a ``UserError``."""
    try:
        return load()
    except Exception as error:
        reason = first_line(error)
        if "pickle" in reason:
            reason = "not an array of numbers"
        raise UserError(f"{path}: not a readable NumPy file: {reason}") from None


def as_images(array: np.ndarray, where: str) -> np.ndarray:
    """Returns ``array`` as images ``[n, height, width, channels]``.

    Args:
        array: uint8 ``[n, height, width, channels]``, or ``[n, height, width]`` for greyscale.
        where: the location of the array, for error messages.

    Raises:
        UserError: another dtype or shape; the message says how to convert the array.

    Examples:
        >>> as_images(np.zeros((5, 8, 8), np.uint8), "x").shape
        (5, 8, 8, 1)
        >>> as_images(np.zeros((5, 8, 8)), "x")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: x: holds float64 from 0 to 0; must be uint8 ...
    """
    if array.dtype != np.uint8:
        raise UserError(
            f"{where}: holds {array.dtype}{_range(array)}; must be uint8 from 0 to 255"
            f"{_how_to_convert(array)}"
        )
    if array.ndim == 3 and array.shape[2] in (3, 4) and min(array.shape[:2]) >= 8:
        raise UserError(
            f"{where}: has shape {array.shape}, like one image (height, width, channels); must be "
            "(images, height, width, channels): save x[None]"
        )
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim == 4 and array.shape[1] in (1, 3, 4) and array.shape[3] > 4:
        raise UserError(
            f"{where}: has shape {array.shape}, like (images, channels, height, width); "
            "must have channels last: save x.transpose(0, 2, 3, 1)"
        )
    if array.ndim != 4 or 0 in array.shape:
        raise UserError(
            f"{where}: has shape {array.shape}; must be (images, height, width, channels), or "
            "(images, height, width) for greyscale, none of them 0"
        )
    return array


def as_labels(labels: np.ndarray, where: str, n_images: int) -> np.ndarray:
    """Returns ``labels`` as int32 ``[n_images]``.

    Args:
        labels: integers from 0 up, ``[n_images]`` or ``[n_images, 1]``.
        where: the location of the array, for error messages.
        n_images: the number of images that they belong to.

    Raises:
        UserError: another dtype, shape or range.

    Examples:
        >>> as_labels(np.array([[2], [0]]), "y", n_images=2)
        array([2, 0], dtype=int32)
    """
    fit = labels.dtype.kind in "iu" and labels.shape in ((n_images,), (n_images, 1))
    if not fit or labels.min() < 0 or labels.max() >= 2**31:
        raise UserError(
            f"{where}: has shape {labels.shape} and holds {labels.dtype}{_range(labels)}; labels "
            f"must be integers from 0 up of shape ({n_images},), one for each image"
        )
    return labels.reshape(n_images).astype(np.int32)


def _range(array: np.ndarray) -> str:
    if array.dtype.kind not in "iuf" or not array.size:
        return ""
    return f" from {array.min():.4g} to {array.max():.4g}"


def _how_to_convert(array: np.ndarray) -> str:
    if np.issubdtype(array.dtype, np.floating) and array.size and array.max() <= 1:
        return ": save (x * 255).round().astype('uint8')"
    return ": save x.astype('uint8') if its values are whole numbers in that range"
