"""``tf.data`` pipelines of images, labels and conditions, in an order that can be resumed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.conditions import is_binary, made
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.sources import load_images
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages, n_threads

__all__ = ["Images", "check_labels", "get_dataset", "load_for", "load_images"]


#: The end of an error message: sources that have labels.
_LABELLED = (
    "must be a built-in data set, a .npz file with integers named by data.train_label_key (and "
    "data.test_label_key), or a folder with every image in the sub-folder of its class"
)


def get_dataset(
    source: str | Path | DataConfig | Images,
    split: str = "train",
    batch_size: int = 16,
    seed: int = 0,
    start_step: int = 0,
    labels: bool = False,
    part: int = 0,
    n_parts: int = 1,
    condition: bool = False,
) -> tf.data.Dataset:
    """Returns batches of images, with their labels on request.

    The training set is shuffled in every epoch and repeated without end, in an order that depends
    only on ``seed``. The other sets are traversed once, in order; their last batch may be smaller.
    With ``Images.dynamic``, every training batch is binarized at random, and with
    ``Images.augment`` half of its images are mirrored, as a function of ``seed`` and the step. With
    ``Images.mutation_rate``, each sub-pixel is replaced with that probability by a value drawn
    uniformly from 0 to the largest one of the training set (1 for binary images), in the same way.
    ``StoredImages`` are read on the way, by several threads.

    Args:
        source: a name (``'digits'``) or path, a ``DataConfig``, or loaded ``Images``.
        split: ``'train'``, ``'test'`` or ``'validation'``.
        batch_size: images per batch.
        seed: the seed of the order, of the binarization, of the mirrored images and of the noise.
        start_step: number of batches to skip at the start, to resume training.
        labels: whether each batch is a tuple ``(images, labels)``; the images are the same.
        part, n_parts: of each training batch, return only the ``part``-th of ``n_parts`` equal
            parts, such as the one of a worker; nothing else is read.
        condition: whether each batch is a tuple of images, labels if ``labels``, and conditions.
            They are those of ``data.condition``: made from the images as the batch has them, or
            read with them and mirrored as they are.

    Returns:
        a prefetched dataset of uint8 or uint16 tensors ``[batch, height, width, channels]``, with
        int32 labels ``[batch]`` and conditions, integers ``[batch, height, width, channels]``.

    Raises:
        UserError: as ``load_images``; an unknown split, a batch size below 1 or not a multiple of
            ``n_parts``, or no labels or conditions.

    Example:

    >>> batches = pixelcnn_tf.get_dataset("digits_grey", "test", batch_size=100, labels=True)
    >>> [(images.shape[0], labels.dtype.name) for images, labels in batches]
    [(100, 'int32'), (80, 'int32')]
    """
    if split not in ("train", "test", "validation"):
        raise UserError(f"split={split!r}: must be 'train', 'test' or 'validation'")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f"batch_size={batch_size!r}: must be an integer from 1 up")
    if batch_size % n_parts or not 0 <= part < n_parts:
        raise UserError(f"part={part}, n_parts={n_parts}: {batch_size} images do not divide so")
    images = source if isinstance(source, Images) else load_images(source, labels)
    array, numbers = getattr(images, split), getattr(images, f"{split}_labels")
    if array is None:
        raise UserError("split='validation': these images have none; set data.validation_share")
    if labels and numbers is None:
        raise UserError(
            "labels=True: these images have no labels (load_images(..., labels=True) loads those "
            f"that there are); {_LABELLED}"
        )
    if condition and images.condition is None:
        raise UserError("condition=True: these images have none; set data.condition")
    training, stored = split == "train", isinstance(array, StoredImages)
    noisy = training and images.mutation_rate
    largest = int(array.max()) if noisy and not images.dynamic else 1
    given = None
    if condition:
        given = getattr(images, f"{split}_condition")
    binary = condition and is_binary(images)
    with tf.device("CPU"):
        if given is not None and not isinstance(given, StoredImages):
            given = tf.constant(given)
        array = array if stored else tf.constant(array)
        numbers = tf.constant(numbers, tf.int32) if labels else None
    if training:
        indices = _endless_order(len(array), seed, start_step * batch_size)
        indices = indices.batch(batch_size, drop_remainder=True)
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        indices = indices.apply(endless)  # else several workers ask each other at every step
    else:
        indices = tf.data.Dataset.range(len(array)).skip(start_step * batch_size)
        indices = indices.batch(batch_size)

    size = batch_size // n_parts
    own = slice(part * size, (part + 1) * size) if training else slice(None)

    def batch(step: tf.Tensor, at: tf.Tensor):
        # Random numbers are drawn for the whole batch, whatever part of it is returned.
        at = at[own]
        chosen = _at(array, at)
        if training and images.dynamic:
            chosen = _draw_binary(chosen, seed, step, batch_size, own)
        own_condition = None if given is None else _at(given, at)
        if training and "flip" in images.augment:
            flipped = _drawn_flips(seed, step, batch_size)[own]
            chosen = _flip(chosen, flipped)
            own_condition = None if own_condition is None else _flip(own_condition, flipped)
        if noisy:
            chosen = _add_noise(chosen, noisy, largest, seed, step, batch_size, own)
        if condition and own_condition is None:
            own_condition = made(chosen, str(images.condition), binary)
        parts = [chosen, *([tf.gather(numbers, at)] if labels else [])]
        parts += [own_condition] if condition else []
        return tuple(parts) if len(parts) > 1 else chosen

    n_calls = n_threads() if stored or isinstance(given, StoredImages) else 2
    return indices.enumerate(start_step).map(batch, num_parallel_calls=n_calls).prefetch(n_calls)


@contextlib.contextmanager
def reading_errors(images: Images) -> Iterator[None]:
    """Within the ``with`` block, what goes wrong when ``StoredImages`` are read, which TensorFlow
    reports as an error of its own, is raised as it is.

    Example:

    >>> from pixelcnn_tf.data.pipeline import reading_errors
    >>> with reading_errors(pixelcnn_tf.load_images("digits_grey")):
    ...     pass
    """
    try:
        yield
    except tf.errors.OpError:
        for array in images.arrays():
            if isinstance(array, StoredImages) and array.error is not None:
                raise array.error from None
        raise


def filled_up(part: tf.Tensor, size: int) -> tf.Tensor:
    """Returns a batch of any rank, padded with zeros to ``size`` examples.

    Example:

    >>> from pixelcnn_tf.data.pipeline import filled_up
    >>> filled_up(tf.constant([7, 8]), 4).numpy().tolist()
    [7, 8, 0, 0]
    """
    return tf.pad(part, [[0, size - len(part)], *[[0, 0]] * (len(part.shape) - 1)])


def load_for(data: DataConfig, n_classes: int | None, hold_out: bool = True) -> Images:
    """Returns the images of a source, with checked labels if the model is class-conditional.

    Args:
        data: the ``data`` section of a config.
        n_classes: the number of classes of the model; None if it is not class-conditional.
        hold_out: as in ``load_images``.

    Raises:
        UserError: as ``load_images`` and ``check_labels``.

    Example:

    >>> from pixelcnn_tf.data.pipeline import load_for
    >>> load_for(pixelcnn_tf.DataConfig(source="digits_grey"), n_classes=10).train_labels.max()
    np.int32(9)
    """
    images = load_images(data, labels=n_classes is not None, hold_out=hold_out)
    if n_classes is not None:
        check_labels(images, n_classes, data.source)
    return images


def check_labels(images: Images, n_classes: int, source: str) -> None:
    """Checks that every image has a label below ``n_classes``.

    Args:
        images: as ``load_images(..., labels=True)`` returns them.
        n_classes: the number of classes of the model.
        source: the value of ``data.source``, for the error message.

    Raises:
        UserError: there are no labels, or a label is ``n_classes`` or more.

    Example:

    >>> from pixelcnn_tf.data.pipeline import check_labels
    >>> images = pixelcnn_tf.load_images("digits_grey", labels=True)
    >>> check_labels(images, 5, "digits_grey")
    Traceback (most recent call last):
    pixelcnn_tf.utils.errors.UserError: model.n_classes: 5, but data.source 'digits_grey' has ...
    """
    parts = [images.train_labels, images.test_labels]
    if images.validation is not None:
        parts.append(images.validation_labels)
    present = [part for part in parts if part is not None]
    if len(present) < len(parts):
        raise UserError(
            f"model.n_classes: {n_classes}, but data.source {source!r} has no labels; {_LABELLED}"
        )
    smallest, largest = min(p.min() for p in present), max(p.max() for p in present)
    if largest >= n_classes:
        raise UserError(
            f"model.n_classes: {n_classes}, but data.source {source!r} has labels from {smallest} "
            f"to {largest}; must be at least {largest + 1}"
        )


def _at(array: "tf.Tensor | StoredImages", at: tf.Tensor) -> tf.Tensor:
    return _read(array, at) if isinstance(array, StoredImages) else tf.gather(array, at)


def _read(images: StoredImages, at: tf.Tensor) -> tf.Tensor:
    """Returns some images; an error becomes one of TensorFlow, see ``reading_errors``."""

    def read(positions: np.ndarray) -> tuple[np.ndarray, str]:
        try:
            return images[positions], ""
        except UserError as error:  # TensorFlow would print a traceback
            return np.zeros((len(positions), *images.shape[1:]), images.dtype), str(error)

    chosen, error = tf.numpy_function(read, [at], (tf.as_dtype(images.dtype), tf.string))
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(error, ""), [error])]):
        return tf.ensure_shape(chosen, [at.shape[0], *images.shape[1:]])


def _drawn_flips(seed: int, step: tf.Tensor, n: int) -> tf.Tensor:
    """Returns which images of a batch of ``n`` are mirrored, each with probability 1/2: boolean
    ``[n, 1, 1, 1]``, a function of (seed, step), like ``_draw_binary``."""
    key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 2], tf.int64), step)
    drawn = tf.random.stateless_uniform([n], key, 0, 2, tf.int32)
    return tf.reshape(drawn, [-1, 1, 1, 1]) == 1


def _flip(images: tf.Tensor, flipped: tf.Tensor) -> tf.Tensor:
    """Returns the images; those that are ``flipped`` are mirrored left to right."""
    return tf.where(flipped, images[:, :, ::-1], images)


def _add_noise(
    images: tf.Tensor,
    probability: float,
    largest: int,
    seed: int,
    step: tf.Tensor,
    n: int,
    own: slice,
) -> tf.Tensor:
    """Returns the images, which are those ``own`` of a batch of ``n``, with each sub-pixel replaced
    with the given probability by a value from 0 to ``largest``: a function of (seed, step), like
    ``_draw_binary``. Source: Ren et al. 2019 (arXiv 1906.02845), section 3."""
    key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 3], tf.int64), step)
    where, which = tf.unstack(tf.random.experimental.stateless_split(key, 2))
    shape = [n, *images.shape[1:]]
    replaced = tf.random.stateless_uniform(shape, where)[own] < probability
    values = tf.random.stateless_uniform(shape, which, 0, largest + 1, tf.int32)[own]
    return tf.where(replaced, tf.cast(values, images.dtype), images)


def _draw_binary(
    intensities: tf.Tensor, seed: int, step: tf.Tensor, n: int, own: slice
) -> tf.Tensor:
    """Returns binary images, 1 with probability intensity / 255: uint8 of the same shape, those
    ``own`` of a batch of ``n``.

    They are a function of (seed, step), so that a resumed run sees the same images.
    """
    # Not [seed, step] itself, which shuffles the epoch of that number.
    key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 1], tf.int64), step)
    # An integer from 0 to 254: an intensity of 0 is never above it, one of 255 always.
    shape = [n, *intensities.shape[1:]]
    drawn = tf.random.stateless_uniform(shape, key, 0, 255, tf.int32)[own]
    return tf.cast(drawn < tf.cast(intensities, tf.int32), tf.uint8)


def _endless_order(n: int, seed: int, start: int) -> tf.data.Dataset:
    """Returns the indices of the images of an endless training run, from the ``start``-th on.

    Each epoch is a permutation that depends only on (seed, epoch), so that resuming in the middle
    of an epoch costs one permutation and needs no saved iterator.
    """
    epoch, skip = divmod(start, n)

    def permutation(epoch):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(n, dtype=tf.int64), seed=tf.stack([np.int64(seed), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(order)

    epochs = tf.data.Dataset.range(epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(permutation).skip(skip)
