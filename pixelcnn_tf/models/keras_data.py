"""Images and labels as Keras passes them, and their checks.

``fit``, ``evaluate`` and ``predict`` are compiled by XLA if the model is compiled with
``jit_compile=True``, or on a GPU by default, and XLA leaves assertions out. What can be checked
before is checked there.
"""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.utils.errors import UserError, first_line


def images_and_labels(inputs: Any, labels: Any = None) -> tuple[Any, Any]:
    """Returns images and labels, or their shapes, from what Keras gives as one input.

    Args:
        inputs: the images alone, a pair, or a dictionary.
        labels: labels that were passed beside them.

    Raises:
        ValueError: a dictionary with other keys.

    Example:
        >>> from pixelcnn_tf.models.keras_data import images_and_labels
        >>> images_and_labels({"images": (2, 8, 8, 3), "labels": (2,)})
        ((2, 8, 8, 3), (2,))
    """
    if isinstance(inputs, dict):
        unknown = sorted(set(inputs) - {"images", "labels"})
        if unknown or "images" not in inputs:
            raise ValueError(f"inputs: {sorted(inputs)}; must be 'images', and 'labels' if any")
        return inputs["images"], inputs.get("labels", labels)
    is_shape = isinstance(inputs, tuple | list) and (
        not inputs or inputs[0] is None or isinstance(inputs[0], int)
    )
    if isinstance(inputs, list | tuple) and not is_shape:
        images, *others = inputs
        return images, others[0] if others else labels
    return inputs, labels


def checked_labels(labels: Any, n: int | tf.Tensor, n_classes: int | None) -> tf.Tensor | None:
    """Returns ``labels`` as int32 ``[n]``, or None without classes.

    Args:
        labels: integers 0 to ``n_classes - 1``, ``[n]`` or, as in the data sets of Keras,
            ``[n, 1]``.
        n: number of images.
        n_classes: number of classes of the model; None for a model without classes.

    Raises:
        ValueError: labels that are missing, not wanted, or not integers.
        tf.errors.InvalidArgumentError: not one label per image, or one that is out of range.

    Example:
        >>> from pixelcnn_tf.models.keras_data import checked_labels
        >>> checked_labels([[3], [7]], 2, n_classes=10).numpy().tolist()
        [3, 7]
    """
    if n_classes is None and labels is not None:
        raise ValueError(f"labels: a model without classes takes none, not {labels!r:.80}")
    if n_classes is not None and labels is None:
        raise ValueError(
            f"labels: not given; must be integers from 0 to {n_classes - 1}, for the model is "
            "class-conditional"
        )
    if n_classes is None:
        return None
    labels = tf.convert_to_tensor(labels)
    # Keras traces a model with floats, to build or to export it.
    if not labels.dtype.is_integer and tf.executing_eagerly():
        raise ValueError(f"labels: {labels.dtype.name}; must be integers")
    labels = tf.reshape(labels, [-1])
    wanted = f"labels: must be one per image, integers from 0 to {n_classes - 1}"
    tf.debugging.assert_equal(tf.size(labels), n, wanted)
    as_integers = tf.cast(labels, tf.int64)  # not yet 32 bits: 2**32 would become 0
    tf.debugging.assert_equal(labels, tf.cast(as_integers, labels.dtype), wanted)
    within = tf.clip_by_value(as_integers, 0, n_classes - 1)
    tf.debugging.assert_equal(as_integers, within, wanted)
    return tf.cast(within, tf.int32)


def checked_first(method: Callable, takes_targets: bool = True) -> Callable:
    """Returns a method of ``keras.Model`` that first checks its data: ``fit``, for example.

    Arrays are checked at once. The elements of a ``tf.data.Dataset`` are checked as they are drawn
    if the model is compiled by XLA, else by the model and the loss. Invalid values or labels in
    other data (generators, distributed datasets) make the loss NaN under XLA, which a warning
    explains.

    Args:
        method: takes the inputs and, with ``takes_targets``, the targets as its first arguments.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1)
        >>> model.compile("sgd", model.likelihood)
        >>> model.fit(np.zeros([4, 8, 8, 3]), np.full([4, 8, 8, 3], 0.5))
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: images: must hold integers from 0 to 255, ...
    """

    signature = inspect.signature(method)

    @functools.wraps(method)
    def with_targets(self, x=None, y=None, *args, **kwargs):
        if kwargs.get("_use_cached_eval_dataset"):  # validation within fit, where it was checked
            return method(self, x, y, *args, **kwargs)
        call = signature.bind(self, _checked(self, x, y), y, *args, **kwargs)
        given = call.arguments.get("validation_data")
        if isinstance(given, tf.data.Dataset):
            call.arguments["validation_data"] = _checked(self, given)
        elif isinstance(given, tuple | list) and len(given) >= 2:
            _checked(self, *given[:2])
        result = method(*call.args, **call.kwargs)
        _explain_nan(result)
        return result

    @functools.wraps(method)
    def without(self, x, *args, **kwargs):
        return method(self, _checked(self, x), *args, **kwargs)

    return with_targets if takes_targets else without


def _checked(model, x, y=None):
    """Returns ``x``, checked together with the targets ``y``."""
    if isinstance(x, tf.data.Dataset):
        if not model.jit_compile:  # the assertions of ``call`` and of the loss are enough
            return x
        checked = functools.partial(_checked_element, model)
        return x.map(tf.autograph.experimental.do_not_convert(checked))
    try:
        images, labels = images_and_labels(x)
    except (TypeError, ValueError):  # data of another kind
        return x
    if labels is not None and _is_array(labels) and _is_array(images):
        _check_labels(model, labels, len(images))
    for array in (images, y):
        if _is_array(array):
            model.likelihood.check_values(array)
    return x


def _check_labels(model, labels, n: int) -> None:
    try:
        checked_labels(np.asarray(labels), n, model.n_classes)
    except tf.errors.InvalidArgumentError as error:
        raise UserError(first_line(error)) from None


def _is_array(data) -> bool:
    return isinstance(data, np.ndarray | tf.Tensor | tf.Variable)


def _checked_element(model, x, *others):
    """Returns an element of a dataset; raises what ``call`` raises when it is drawn."""
    model.checked_inputs(x, None)
    if others:
        model.likelihood.checked_values(others[0])
    return (x, *others) if others or isinstance(x, tuple) else x


def _explain_nan(result) -> None:
    """Warns if ``result``, a history, a score or several, is NaN."""
    if isinstance(result, keras.callbacks.History):
        result = result.history
    losses = result
    if isinstance(result, dict):
        losses = np.hstack([result.get("loss", []), result.get("val_loss", [])])
    if np.isnan(np.asarray(losses, float)).any():
        warnings.warn(
            "the loss is NaN: training has diverged, or an image has values that the likelihood "
            "does not know, or a label is out of range, which XLA cannot report; run it once "
            "with jit_compile=False to see the error",
            RuntimeWarning,
            stacklevel=3,
        )
