"""Checks of the models, images, labels and conditions that users pass, in one place.

Inside the package these are trusted: what XLA compiles cannot check them (an index that is out of
range is clamped without a word).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages
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


def check_images(model: PixelModel, images: npt.ArrayLike) -> np.ndarray:
    """Returns images for ``model`` as an array.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        images: integers ``[n, height, width, n_channels]``, 0 to ``n_values - 1`` of the
            likelihood, of any numeric dtype.

    Returns:
        ``[n, height, width, n_channels]``: uint8, or uint16 for a model of more than 256 values.

    Raises:
        UserError: another shape, no image, other values.

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


def condition_for(
    model: PixelModel, condition: Any, n: int, image_size: tuple[int, int]
) -> "np.ndarray | StoredImages | None":
    """Returns the condition of ``n`` images for ``model``.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        condition: integers ``[n, height, width, n_condition_channels]``, or without ``n`` one for
            all images; None for a model that is not conditional. ``StoredImages`` are not read.
        n: number of images.
        image_size: (height, width) of the images.

    Returns:
        uint8 or int32 ``[n, height, width, n_condition_channels]``, or ``StoredImages``; None for
        a model that is not conditional.

    Raises:
        UserError: a condition that is missing, not wanted, of another shape, or out of range.

    Example:

    >>> from pixelcnn_tf.models.inputs import condition_for
    >>> model = pixelcnn_tf.PixelRNN(2, 2, 1, n_condition_channels=1)
    >>> condition_for(model, np.zeros([8, 8, 1], np.uint8), 3, (8, 8)).shape
    (3, 8, 8, 1)
    """
    spec = model.condition_spec
    if spec is None:
        if condition is not None:
            raise UserError("condition: the model is not conditional; leave it out")
        return None
    height, width = image_size
    if height % spec.factor or width % spec.factor:
        raise UserError(
            f"images of {height}x{width}: the condition of the model is {spec.factor} times "
            f"smaller, so that both sides must be multiples of {spec.factor}"
        )
    shape, values = spec.shape_for(*image_size), f"integers from 0 to {spec.n_values - 1}"
    wanted = f"must be {values}, {(n, *shape)}, or {shape} for all images"
    if condition is None:
        raise UserError(f"condition: not given, and the model is conditional; {wanted}")
    if isinstance(condition, StoredImages):
        if condition.shape != (n, *shape):
            raise UserError(f"condition {condition.shape}: {wanted}")
        return condition
    try:
        array = np.asarray(condition)
    except ValueError:  # lists of different lengths
        raise UserError(f"condition: {wanted}") from None
    if array.shape not in (shape, (n, *shape)):
        raise UserError(f"condition {array.shape}: {wanted}")
    whole = array.dtype.kind in "iub" or (array.dtype.kind == "f" and (array % 1 == 0).all())
    if not whole or array.min() < 0 or array.max() >= spec.n_values:
        found = f"{array.dtype}"
        if array.dtype.kind in "iuf":
            found += f" from {array.min()} to {array.max()}"
        raise UserError(f"condition: holds {found}; must hold {values}")
    dtype = np.uint8 if spec.n_values <= 256 else np.int32
    return np.broadcast_to(array, (n, *shape)).astype(dtype)


def refuse_condition(model: PixelModel, what: str) -> None:
    """Raises UserError for a conditional model, for what takes none.

    Example:

    >>> from pixelcnn_tf.models.inputs import refuse_condition
    >>> refuse_condition(pixelcnn_tf.PixelRNN(2, 2, 1), "compression")
    """
    if model.condition_spec is not None:
        raise UserError(f"model: is conditional (data.condition), which {what} does not support")
