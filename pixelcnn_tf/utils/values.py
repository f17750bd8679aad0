"""The values of sub-pixels, as arrays and as 8 bits on a screen."""

from typing import Any

import numpy as np

#: The most values that a sub-pixel can have.
MOST_VALUES = 65_536


def checked_n_values(n_values: Any) -> int:
    """Returns a number of values.

    Raises:
        ValueError: it is not an integer from 2 to 65,536.

    Example:
        >>> from pixelcnn_tf.utils.values import checked_n_values
        >>> checked_n_values(4096)
        4096
    """
    whole = isinstance(n_values, int | np.integer) and not isinstance(n_values, bool)
    if not whole or not 2 <= n_values <= MOST_VALUES:
        raise ValueError(f"n_values={n_values!r}: must be an integer from 2 to {MOST_VALUES}")
    return int(n_values)


def dtype_for(n_values: int) -> np.dtype:
    """Returns the smallest dtype that holds the values 0 to ``n_values - 1``: uint8 or uint16.

    Raises:
        ValueError: ``n_values`` is not from 1 to 65,536.

    Example:
        >>> from pixelcnn_tf.utils.values import dtype_for
        >>> dtype_for(256).name, dtype_for(257).name
        ('uint8', 'uint16')
    """
    if not 1 <= n_values <= MOST_VALUES:
        raise ValueError(f"n_values={n_values!r}: must be from 1 to {MOST_VALUES}")
    return np.dtype(np.uint8 if n_values <= 256 else np.uint16)


def eight_bits(images: np.ndarray, n_values: int) -> np.ndarray:
    """Returns images with the values 0 to ``n_values - 1`` scaled to 0 to 255, to be shown.

    Args:
        images: integers of any shape.
        n_values: number of values; 2 for binary images, 256 for 8-bit ones.

    Returns:
        uint8 of the same shape.

    Example:
        >>> from pixelcnn_tf.utils.values import eight_bits
        >>> eight_bits(np.array([0, 2048, 4095], np.uint16), n_values=4096).tolist()
        [0, 128, 255]
    """
    return np.round(images * (255 / (n_values - 1))).astype(np.uint8)
