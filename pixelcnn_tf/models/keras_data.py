"""Images, labels and conditions as Keras passes them, and their checks.

``fit``, ``evaluate`` and ``predict`` are compiled by XLA if the model is compiled with
``jit_compile=True``, or on a GPU by default, and XLA leaves assertions out. What can be checked
before is checked there.
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.utils.errors import UserError, first_line


def inputs_of(inputs: Any, labels: Any = None, condition: Any = None) -> tuple[Any, Any, Any]:
    """Returns images, labels and condition, or their shapes, from what Keras gives as one input.

    Args:
        inputs: the images alone; a tuple or list of images, labels and condition, of which the
            last may be left out or be None; or a dictionary.
        labels, condition: what was passed with them.

    Raises:
        ValueError: a dictionary with other keys, a tuple of more.

    Example:
        >>> from pixelcnn_tf.models.keras_data import inputs_of
        >>> inputs_of({"images": (2, 8, 8, 3), "condition": (2, 8, 8, 1)})
        ((2, 8, 8, 3), None, (2, 8, 8, 1))
    """
    if isinstance(inputs, dict):
        unknown = sorted(set(inputs) - {"images", "labels", "condition"})
        if unknown or "images" not in inputs:
            raise ValueError(
                f"inputs: {sorted(inputs)}; must be 'images', and 'labels' and 'condition' if any"
            )
        return inputs["images"], inputs.get("labels", labels), inputs.get("condition", condition)
    is_shape = isinstance(inputs, tuple | list) and (
        not inputs or inputs[0] is None or isinstance(inputs[0], int)
    )
    if isinstance(inputs, list | tuple) and not is_shape:
        if len(inputs) > 3:
            raise ValueError(f"inputs: {len(inputs)} arrays; must be images, labels and condition")
        images, labels, condition = (*inputs, *(None, labels, condition)[len(inputs) :])
        return images, labels, condition
    return inputs, labels, condition


def present(**inputs: Any) -> dict[str, Any]:
    """Returns those keyword arguments that are not None, for a ``call`` that may not have the
    others.

    Example:
        >>> from pixelcnn_tf.models.keras_data import present
        >>> present(labels=None, condition=7)
        {'condition': 7}
    """
    return {name: value for name, value in inputs.items() if value is not None}


class ConditionSpec(NamedTuple):
    """The condition of a model.

    Attributes:
        n_channels: its channels.
        factor: the image is this many times as high and as wide.
        n_codes: number of codes; None for values 0 to 255.

    Example:
        >>> ConditionSpec(3, factor=4).shape_for(32, 32)
        (8, 8, 3)
    """

    n_channels: int
    factor: int = 1
    n_codes: int | None = None

    @property
    def n_values(self) -> int:
        """The number of values."""
        return 256 if self.n_codes is None else self.n_codes

    def shape_for(self, height: int, width: int) -> tuple[int, int, int]:
        """Returns the shape of the condition of an image; sides are rounded up."""
        return -(-height // self.factor), -(-width // self.factor), self.n_channels

    def in_words(self) -> str:
        """Returns what a condition must be."""
        of_images = "of the images" if self.factor == 1 else f"of the images / {self.factor}"
        return (
            f"integers from 0 to {self.n_values - 1}, (n, height {of_images}, width {of_images}, "
            f"{self.n_channels})"
        )


def checked_labels(labels: Any, n: int | tf.Tensor, n_classes: int | None) -> tf.Tensor | None:
    """Returns ``labels`` as int32 ``[n]``, or None without classes.

    Args:
        labels: integers 0 to ``n_classes - 1``, ``[n]`` or, as in the data sets of Keras,
            ``[n, 1]``.
        n: number of images.
        n_classes: number of classes of the model; None for a model without classes.

    Raises:
        ValueError: labels that are missing, not wanted, not integers, or a condition.
        tf.errors.InvalidArgumentError: not one label per image, or one that is out of range.

    Example:
        >>> from pixelcnn_tf.models.keras_data import checked_labels
        >>> checked_labels([[3], [7]], 2, n_classes=10).numpy().tolist()
        [3, 7]
    """
    shape = tf.TensorShape(np.shape(labels))
    if (shape.rank or 0) > 2:
        raise ValueError(
            f"labels {shape}: must be one integer per image; if this is the condition, pass "
            "{'images': images, 'condition': condition}"
        )
    if n_classes is None and labels is not None:
        raise ValueError("labels: a model without classes takes none; leave them out")
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


def sizes_of(images: tf.Tensor) -> list[Any]:
    """Returns number, height and width of images: integers, or scalar tensors in a graph that does
    not know them.

    Example:
        >>> from pixelcnn_tf.models.keras_data import sizes_of
        >>> sizes_of(tf.zeros([2, 8, 9, 3]))
        [2, 8, 9]
    """
    sizes = enumerate(images.shape[:3])
    return [tf.shape(images)[i] if size is None else size for i, size in sizes]


def checked_condition(
    condition: Any, image_sizes: Sequence[Any], spec: ConditionSpec | None
) -> tuple[tf.Tensor, tf.Tensor] | None:
    """Returns ``condition`` within its range, and which images have a right one, boolean ``[n]``;
    None for a model without a condition.

    Args:
        condition: integers ``[n, height, width, channels]`` of any numeric dtype.
        image_sizes: number, height and width of the images, integers or scalar tensors.
        spec: the condition of the model; None if it takes none.

    Raises:
        ValueError: a condition that is missing, not wanted, or of another shape.
        tf.errors.InvalidArgumentError: another number or size, or values out of range.

    Example:
        >>> from pixelcnn_tf.models.keras_data import ConditionSpec, checked_condition
        >>> grey = np.zeros([2, 8, 8, 1], np.uint8)
        >>> condition, right = checked_condition(grey, (2, 8, 8), ConditionSpec(1))
        >>> right.numpy().tolist()
        [True, True]
    """
    if spec is None:
        if condition is not None:
            raise ValueError("condition: the model takes none; leave it out")
        return None
    wanted = f"condition: must be {spec.in_words()}"
    if condition is None:
        raise ValueError(f"condition: not given, and the model is conditional; {wanted[11:]}")
    condition = tf.convert_to_tensor(condition)
    shape = condition.shape
    numbers = condition.dtype.is_integer or condition.dtype.is_floating
    if not numbers or shape.rank != 4 or shape[-1] not in (None, spec.n_channels):
        raise ValueError(f"condition {tuple(shape)}: {wanted[11:]}")
    for side, image_side, factor in zip(shape, image_sizes, (1, spec.factor, spec.factor)):  # noqa: B905
        if isinstance(image_side, int) and side is not None and side * factor != image_side:
            raise ValueError(
                f"condition {tuple(shape)} of images {tuple(image_sizes)}: {wanted[11:]}"
            )
    sides = tf.shape(condition)[:3] * [1, spec.factor, spec.factor]
    tf.debugging.assert_equal(sides, tf.stack(image_sizes), wanted)
    as_integers = tf.cast(condition, tf.int64)
    within = tf.clip_by_value(as_integers, 0, spec.n_values - 1)
    same = tf.cast(within, condition.dtype) == condition
    tf.debugging.assert_equal(same, tf.ones_like(same), wanted)
    return tf.cast(within, tf.int32), tf.reduce_all(same, axis=[1, 2, 3])


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
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_condition_channels=1)
        >>> model.compile("sgd", model.likelihood)
        >>> images = np.zeros([4, 8, 8, 3])
        >>> model.fit((images, images[..., :1]), images)
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: labels (4, 8, 8, 1): must be one integer per image; ...
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
        images, labels, condition = inputs_of(x)
    except (TypeError, ValueError):  # data of another kind
        return x
    if _is_array(images) and (labels is None or _is_array(labels)):
        _in_one_line(checked_labels, labels, len(images), model.n_classes)
    if _is_array(images) and (condition is None or _is_array(condition)):
        sizes = np.shape(images)[:3]
        _in_one_line(checked_condition, condition, sizes, model.condition_spec)
    for array in (images, y):
        if _is_array(array):
            model.likelihood.check_values(array)
    return x


def _in_one_line(check: Callable, data, *others) -> None:
    """Raises UserError for what ``check`` raises for labels or a condition."""
    try:
        check(None if data is None else np.asarray(data), *others)
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        raise UserError(first_line(error)) from None


def _is_array(data) -> bool:
    return isinstance(data, np.ndarray | tf.Tensor | tf.Variable)


def _checked_element(model, x, *others):
    """Returns an element of a dataset; raises what ``call`` raises when it is drawn."""
    images, labels, condition = inputs_of(x)
    images, labels = model.checked_inputs(images, labels)
    checked_condition(condition, sizes_of(images), model.condition_spec)
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
            "does not know, or a label or a condition is out of range, which XLA cannot report; "
            "run it once with jit_compile=False to see the error",
            RuntimeWarning,
            stacklevel=3,
        )
