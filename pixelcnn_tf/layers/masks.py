"""Masks of causal convolutions: which input may reach which output.

Images are read row by row, left to right, and within a pixel channel by channel
(van den Oord et al. 2016, arXiv 1601.06759, sections 2.1 and 3.4). Feature maps are
split into ``n_channels`` equal groups, in channel order; group ``c`` depends only on what is
known when sub-pixel ``c`` is predicted.
"""

import numpy as np

from pixelcnn_tf.utils.validation import count

MASK_TYPES = ("A", "B")


def kernel_shape(kernel_size: int | tuple[int, int], odd: bool = True) -> tuple[int, int]:
    """Returns ``(height, width)`` of a kernel that is given as one number or two.

    Args:
        kernel_size: one integer, or a pair.
        odd: whether both sides must be odd, as in a masked kernel.

    Raises:
        ValueError: not one or two positive integers, or even ones.

    Example:
        >>> from pixelcnn_tf.layers.masks import kernel_shape
        >>> kernel_shape(7)
        (7, 7)
    """
    sizes = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * 2
    if len(sizes) != 2 or not all(isinstance(s, (int, np.integer)) for s in sizes):
        raise ValueError(
            f"kernel_size={kernel_size!r}: must be an integer or a pair (height, width)"
        )
    if not odd and min(sizes) < 1:
        raise ValueError(f"kernel_size={kernel_size!r}: both sides must be from 1 up")
    if odd and any(s < 1 or s % 2 == 0 for s in sizes):
        raise ValueError(
            f"kernel_size={kernel_size!r}: must have a centre, so both sides must be odd "
            "and positive (1, 3, 5, ...)"
        )
    return int(sizes[0]), int(sizes[1])


def channel_groups(features: int, n_channels: int, name: str = "features") -> np.ndarray:
    """Returns the channel group of each feature map: an int array ``[features]``, values 0 to
    ``n_channels - 1``.

    Args:
        features: number of feature maps.
        n_channels: number of channels per pixel.
        name: what an error message calls ``features``.

    Raises:
        ValueError: ``features`` is not a multiple of ``n_channels``.

    Example:
        >>> from pixelcnn_tf.layers.masks import channel_groups
        >>> channel_groups(6, 3).tolist()
        [0, 0, 1, 1, 2, 2]
    """
    count("n_channels", n_channels)
    if not isinstance(features, (int, np.integer)) or features < 1 or features % n_channels:
        raise ValueError(
            f"{name}={features!r}: must be a positive multiple of n_channels={n_channels}, "
            "one group of feature maps per channel"
        )
    return np.arange(features) // (features // n_channels)


def get_mask(
    kernel_size: int | tuple[int, int],
    features_in: int,
    features_out: int,
    mask_type: str,
    n_channels: int = 3,
) -> np.ndarray:
    """Returns the mask of a causal convolution kernel.

    All weights of the rows above the centre, and of the pixels to its left, are kept. At the
    centre, an output group sees the input groups before it (type ``'A'``, for the first layer,
    whose input is the image) or those and its own (type ``'B'``, for all later layers).

    Args:
        kernel_size: side, or ``(height, width)``, from 1 up. The centre is at ``(height // 2, width
            // 2)``: of a 2x2 kernel, the last pixel.
        features_in: number of input feature maps, a multiple of ``n_channels``.
        features_out: number of output feature maps, a multiple of ``n_channels``.
        mask_type: ``'A'`` or ``'B'``.
        n_channels: number of channels per pixel; 1 for greyscale images.

    Returns:
        float32 array ``(height, width, features_in, features_out)`` of zeros and ones.

    Raises:
        ValueError: a kernel without pixels, a number of features that ``n_channels`` does not
            divide, or an unknown type.

    Source: arXiv 1601.06759, section 3.4 and figure 2 (right).

    Example:
        >>> pixelcnn_tf.get_mask(3, 1, 1, "A", n_channels=1)[:, :, 0, 0].astype(int).tolist()
        [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    """
    height, width = kernel_shape(kernel_size, odd=False)
    if mask_type not in MASK_TYPES:
        raise ValueError(f"mask_type={mask_type!r}: must be 'A' or 'B'")
    group_in = channel_groups(features_in, n_channels, "features_in")[:, None]
    group_out = channel_groups(features_out, n_channels, "features_out")[None, :]

    mask = np.zeros((height, width, features_in, features_out), np.float32)
    mask[: height // 2] = 1.0
    mask[height // 2, : width // 2] = 1.0
    seen = group_in < group_out if mask_type == "A" else group_in <= group_out
    mask[height // 2, width // 2] = seen
    return mask
