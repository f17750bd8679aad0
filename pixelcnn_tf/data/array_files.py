"""Images and labels from NumPy files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import Part
from pixelcnn_tf.utils.errors import UserError, first_line


def read_arrays(path: Path, data: DataConfig, labels: bool = False) -> list[Part]:
    """The training and, where there are any, the test images of an array file."""
    if path.suffix not in (".npz", ".npy"):
        raise UserError(f"{path}: must be a .npz or .npy file or a folder of images")
    loaded = _read(path, lambda: np.load(path, allow_pickle=False))
    if isinstance(loaded, np.ndarray):
        return [(as_images(loaded, str(path)), None)]

    def read(setting: str) -> tuple[np.ndarray, str]:
        """The array that a setting names, and where it was found."""
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
    """What ``load`` returns; whatever NumPy makes of a damaged file becomes one line."""
    try:
        return load()
    except Exception as error:
        reason = first_line(error)
        if "pickle" in reason:
            reason = "not an array of numbers"
        raise UserError(f"{path}: no readable NumPy file: {reason}") from None


def as_images(array: np.ndarray, where: str) -> np.ndarray:
    """``array`` as uint8 ``[n, height, width, channels]``, or an error that names the cure."""
    if array.dtype != np.uint8:
        raise UserError(
            f"{where}: holds {array.dtype}{_range(array)}; must be uint8 from 0 to 255"
            f"{_cure(array)}"
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
    """``labels`` as int32 ``[n_images]``, or an error that says what they must be."""
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


def _cure(array: np.ndarray) -> str:
    if np.issubdtype(array.dtype, np.floating) and array.size and array.max() <= 1:
        return ": save (x * 255).round().astype('uint8')"
    return ": save x.astype('uint8') if its values are whole numbers in that range"
