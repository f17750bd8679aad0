"""Checks of the models, images and labels that users pass, in one place.

Inside the package these are trusted: what XLA compiles cannot check them (an index that is out of
range is clamped without a word).
"""

import numpy as np
import numpy.typing as npt

from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.values import dtype_for


def check_model(model: PixelModel) -> None:
    """Raises UserError unless ``model`` is a model of images; builds it if that was not done.

    Example:

    >>> from pixelcnn_tf.models.inputs import check_model
    >>> model = pixelcnn_tf.PixelRNN(2, 2, 1)
    >>> check_model(model)
    >>> model.built
    True
    """
    if not isinstance(model, PixelModel):
        raise UserError(
            f"model={model!r:.80}: must be a PixelRNN or PixelCNNPlusPlus, as load_model returns"
        )
    if not model.built:
        model.build((None, None, None, model.n_channels))


def check_size(model: PixelModel, height: int, width: int) -> None:
    """Raises UserError for images of a size that the model cannot take.

    Example:

    >>> from pixelcnn_tf.models.inputs import check_size
    >>> check_size(pixelcnn_tf.PixelRNN(2, 2, 1), 7, 9)
    """
    try:
        model.check_size(height, width)
    except ValueError as error:
        raise UserError(str(error)) from None


def check_images(model: PixelModel, images: npt.ArrayLike, any_size: bool = False) -> np.ndarray:
    """Returns images for ``model`` as an array.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        images: integers ``[n, height, width, n_channels]``, 0 to ``n_values - 1`` of the
            likelihood, of any numeric dtype.
        any_size: whether they may have a size that the model cannot take.

    Returns:
        ``[n, height, width, n_channels]``: uint8, or uint16 for a model of more than 256 values.

    Raises:
        UserError: another shape, no image, a size that the model cannot take, other values.

    Example:

    >>> from pixelcnn_tf.models.inputs import check_images
    >>> model = pixelcnn_tf.PixelRNN(2, 2, 1, n_channels=1, likelihood="bernoulli")
    >>> check_images(model, np.ones([5, 4, 4, 1])).dtype.name
    'uint8'
    """
    try:
        images = np.asarray(images)
    except ValueError:  # lists of different lengths
        raise UserError("images: must be an array") from None
    if images.ndim != 4 or 0 in images.shape or images.shape[3] != model.n_channels:
        raise UserError(
            f"images {images.shape}: must be (n, height, width, {model.n_channels}), at least one"
        )
    if not any_size:
        check_size(model, *images.shape[1:3])
    model.likelihood.check_values(images)
    return images.astype(dtype_for(model.likelihood.n_values))


def labels_for(model: PixelModel, labels: npt.ArrayLike | None, n: int) -> np.ndarray | None:
    """Returns the labels of ``n`` images for ``model``.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        labels: integers from 0 to ``n_classes - 1``: one for all images or ``[n]``; None for a
            model without classes.
        n: number of images.

    Returns:
        int32 ``[n]``; None for a model without classes.

    Raises:
        UserError: labels that are missing, not wanted, no integers, of another number, or out of
            range.

    Example:

    >>> from pixelcnn_tf.models.inputs import labels_for
    >>> model = pixelcnn_tf.PixelRNN(2, 2, 1, n_classes=10)
    >>> labels_for(model, 7, 3).tolist()
    [7, 7, 7]
    """
    n_classes = model.n_classes
    if n_classes is None:
        if labels is not None:
            raise UserError("labels: the model is not class-conditional; leave them out")
        return None
    wanted = f"must be an integer from 0 to {n_classes - 1}, or {n} of them, one per image"
    if labels is None:
        raise UserError(f"labels: not given, and the model is class-conditional; {wanted}")
    try:
        array = np.asarray(labels)
    except ValueError:  # lists of different lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "iu" or array.shape not in ((), (n,)):
        shown = f"{array.dtype} {array.shape}" if array.shape else repr(labels)[:80]
        raise UserError(f"labels={shown}: {wanted}")
    for label in (array.min(), array.max()):
        if not 0 <= label < n_classes:
            raise UserError(f"labels: {label} is none of the {n_classes} classes; {wanted}")
    return np.broadcast_to(array, [n]).astype(np.int32)
