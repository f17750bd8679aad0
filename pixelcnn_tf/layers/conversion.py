"""Converts masked convolutions of one channel to pairs of shifted ones, and back."""

import keras
import numpy as np

from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D


def masked_to_shifted(
    layer: MaskedConv2D,
) -> tuple[ShiftedConv2D | None, ShiftedConv2D | None]:
    """Returns the shifted convolutions whose outputs add up to those of a masked one.

    Args:
        layer: built, with ``n_channels=1`` and without an activation, which would come after the
            sum.

    Returns:
        ``(vertical, horizontal)``, both built and in the layer's dtype policy. ``vertical`` covers
        the rows above: ``'down'`` of type A, None for a kernel of one row. ``horizontal`` covers
        the pixels to the left in the same row: ``'down_right'`` of the layer's mask type, None if
        there are none (type A, one column); it has the bias, unless it is None. Initializers and
        regularizers are not copied.

    Raises:
        ValueError: several channel groups (of a shifted kernel, either all features of a pixel are
            visible or none), an activation, a layer that is not built or sees nothing.

    Source: arXiv 1606.05328, section 2.3: cropping and shifting replace a mask.

    Example:
        >>> layer = pixelcnn_tf.MaskedConv2D(2, 5, "B", n_channels=1)
        >>> layer.build((None, None, None, 3))
        >>> vertical, horizontal = pixelcnn_tf.masked_to_shifted(layer)
        >>> x = np.ones([1, 8, 8, 3], "float32")
        >>> bool(np.allclose(layer(x), vertical(x) + horizontal(x), atol=1e-6))
        True
    """
    if not isinstance(layer, MaskedConv2D):
        raise ValueError(f"{layer!r:.80}: must be a MaskedConv2D")
    if layer.n_channels != 1:
        raise ValueError(
            f"n_channels={layer.n_channels}: must be 1; channel groups within a pixel have no "
            "shifted twin"
        )
    _check_linear(layer)
    width, centre = layer.kernel_size[1], int(layer.mask_type == "B")
    kernel = layer.kernel.numpy() * layer.mask
    above, left = kernel[:-1], kernel[-1:, : width // 2 + centre]
    bias = layer.bias.numpy() if layer.use_bias else None
    if not above.size and not left.size:
        raise ValueError(f"{layer.name}: a 1x1 kernel of type A sees nothing")

    def part(kernel, direction, mask_type, bias):
        if not kernel.size:
            return None
        size, (features, filters) = kernel.shape[:2], kernel.shape[2:]
        made = ShiftedConv2D(
            filters, size, direction, mask_type, use_bias=bias is not None, dtype=layer.dtype_policy
        )
        made.build((None, None, None, features))
        made.set_weights([kernel] if bias is None else [kernel, bias])
        return made

    horizontal = part(left, "down_right", layer.mask_type, bias)
    return part(above, "down", "A", bias if horizontal is None else None), horizontal


def shifted_to_masked(
    vertical: ShiftedConv2D | None, horizontal: ShiftedConv2D | None
) -> MaskedConv2D:
    """Returns the masked convolution whose outputs are the sum of those of two shifted ones, the
    inverse of ``masked_to_shifted``.

    Args:
        vertical: built, ``'down'`` of type A with an odd number of columns; or None.
        horizontal: built, ``'down_right'`` with one row; or None. With a vertical convolution of k
            columns it has ``k // 2`` columns (type A) or ``k // 2 + 1`` (type B). Neither has an
            activation.

    Returns:
        a built layer of ``n_channels=1``, in the dtype policy of the horizontal one. Its bias is
        the sum of theirs. Initializers and regularizers are not copied.

    Raises:
        ValueError: layers that are not such a pair, have an activation or are not built.

    Example:
        >>> layer = pixelcnn_tf.MaskedConv2D(2, 5, "B", n_channels=1)
        >>> layer.build((None, None, None, 3))
        >>> again = pixelcnn_tf.shifted_to_masked(*pixelcnn_tf.masked_to_shifted(layer))
        >>> again.kernel_size, again.mask_type
        ((5, 5), 'B')
    """
    parts = [part for part in (vertical, horizontal) if part is not None]
    kernel_size, mask_type = _masked_shape(vertical, horizontal, parts)
    features, filters = parts[-1].kernel.shape[2:]
    biases = [part.bias.numpy() for part in parts if part.use_bias]
    masked = MaskedConv2D(
        filters,
        kernel_size,
        mask_type,
        n_channels=1,
        use_bias=bool(biases),
        dtype=parts[-1].dtype_policy,
    )
    masked.build((None, None, None, features))
    kernel = np.zeros_like(masked.kernel.numpy())
    if vertical is not None:
        kernel[:-1] = vertical.used_kernel().numpy()
    if horizontal is not None:
        kernel[-1:, : horizontal.kernel_size[1]] = horizontal.used_kernel().numpy()
    masked.set_weights([kernel, sum(biases)] if biases else [kernel])
    return masked


def _masked_shape(
    vertical: ShiftedConv2D | None, horizontal: ShiftedConv2D | None, parts: list[ShiftedConv2D]
) -> tuple[tuple[int, int], str]:
    """The kernel size and mask type of the masked convolution that two shifted ones are parts of.

    Raises:
        ValueError: they are not the parts of a masked convolution.
    """
    for part in parts:
        if not isinstance(part, ShiftedConv2D):
            raise ValueError(f"{part!r:.80}: must be a ShiftedConv2D")
        _check_linear(part)
    rows, columns, own, left = 0, None, 0, 0
    fits = bool(parts)
    if vertical is not None:
        rows, columns = vertical.kernel_size
        fits &= (vertical.direction, vertical.mask_type) == ("down", "A")
    if horizontal is not None:
        one_row, left = horizontal.kernel_size
        own = int(horizontal.mask_type == "B")
        fits &= (horizontal.direction, one_row) == ("down_right", 1)
    width = columns or 2 * (left - own) + 1
    fits &= width % 2 == 1 and left == width // 2 + own
    fits &= len({part.kernel.shape[2:] for part in parts}) == 1
    fits &= all(part.strides == 1 for part in parts)
    if not fits:
        raise ValueError(
            f"vertical={_described(vertical)}, horizontal={_described(horizontal)}: not the parts "
            "of a masked kernel; must be 'down' A (n, k) with k odd and 'down_right' A (1, k // 2) "
            "or B (1, k // 2 + 1), of the same features"
        )
    return (2 * rows + 1, width), "B" if own else "A"


def _check_linear(layer) -> None:
    """Raises ValueError unless the layer is built and has no activation."""
    if not layer.built:
        raise ValueError(f"{layer.name}: not built, so it has no weights yet")
    if layer.activation is not keras.activations.linear:
        raise ValueError(
            f"{layer.name}: activation={layer.activation.__name__!r}; must be None, for it would "
            "come after the sum of the two parts"
        )


def _described(layer: ShiftedConv2D | None) -> str:
    if layer is None:
        return "None"
    return f"{layer.direction} {layer.mask_type} {layer.kernel_size} of {layer.kernel.shape[2:]}"
