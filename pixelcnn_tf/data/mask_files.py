"""Masks of the pixels to hide, from image files and array files."""

from pathlib import Path

import numpy as np

from pixelcnn_tf.data.array_files import ARRAY_ENDINGS, load_one_array
from pixelcnn_tf.data.image_decoding import opened_image
from pixelcnn_tf.utils.errors import UserError


def read_mask(path: str | Path) -> np.ndarray:
    """Returns the mask in a file: booleans ``[height, width]``, True where pixels are hidden.

    What is painted is hidden: the opaque pixels of an image file that has transparent ones,
    whatever their colour, and else the bright pixels. An array is of booleans, of integers or
    floats from 0 to 1, or of intensities from 0 to 255.

    Args:
        path: an image file, a .npy file, or a .npz file of one array, of shape ``[height, width]``
            (more axes may have one entry).

    Raises:
        UserError: no such file, it cannot be read, or it is not one mask.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mask.npy"
        >>> np.save(path, np.array([[False, True], [True, True]]))
        >>> read_mask(path).astype(int).tolist()
        [[0, 1], [1, 1]]
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix.lower() in ARRAY_ENDINGS:
        return _from_array(load_one_array(path), path)
    with opened_image(path) as image:
        if image.has_transparency_data:
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
            if alpha.min() < 128:
                return alpha >= 128
        if image.mode.startswith(("I", "F")):  # more than 8 bits, which ``convert`` would cut off
            return _from_array(np.asarray(image), path)
        return _bright(np.asarray(image.convert("L")))


def _from_array(array: np.ndarray, path: Path) -> np.ndarray:
    axes = [size for size in array.shape if size != 1]
    shape = array.shape if array.ndim == 2 else tuple(axes)
    if len(shape) != 2 or 0 in shape or array.dtype.kind not in "biuf":
        raise UserError(
            f"{path}: holds {array.dtype} of shape {array.shape}; a mask must be one array of "
            "booleans or numbers of shape (height, width)"
        )
    array = array.reshape(shape)
    if array.dtype.kind != "b" and not (array.min() >= 0 and array.max() <= 65535):  # nor NaN
        raise UserError(
            f"{path}: has values from {array.min():g} to {array.max():g}; a mask must have "
            "booleans, 0 and 1, or intensities from 0 up"
        )
    return _bright(array)


def _bright(array: np.ndarray) -> np.ndarray:
    """Booleans, from booleans or from numbers whose range is 0 to 1, to 255 or to 65,535."""
    if array.dtype.kind == "b":
        return array
    highest = next(top for top in (1, 255, 65535) if array.max() <= top)
    return array >= (highest / 2 if array.dtype.kind == "f" or highest == 1 else (highest + 1) // 2)
